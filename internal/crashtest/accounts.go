//go:build unix

package crashtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Accounts are what there is once everything has come to its end.
type Accounts struct {
	Deliveries []*Delivery
	Journal    *Journal

	// Effects is how often the side effect of each delivery stands in the receivers' own table.
	Effects map[string]int
}

// Check fails the test if anything was lost, or was done twice.
func (a Accounts) Check(t testing.TB) {
	t.Helper()
	problems := a.problems()
	n := len(problems)
	require.Empty(t, problems[:min(n, 20)], "%d problems", n)
}

func (a Accounts) problems() (list []string) {
	known := make(map[string]bool, len(a.Deliveries))
	for _, d := range a.Deliveries {
		known[d.Name] = true
		for _, problem := range a.problemsOf(d) {
			list = append(list, fmt.Sprintf("%s (answered 200 %d times): %s: %s", d.Name, d.Accepted(), problem, a.story(d.Name)))
		}
	}
	for name := range a.Effects {
		if !known[name] {
			list = append(list, name+" has a side effect and was never sent")
		}
	}
	return list
}

func (a Accounts) problemsOf(d *Delivery) (list []string) {
	lines := a.Journal.of(d.Name)
	say := func(wrong bool, problem string) {
		if wrong {
			list = append(list, problem)
		}
	}
	accepted := d.Accepted() > 0
	if InTx(d.Name) {
		n := a.Effects[d.Name]
		say(accepted && n == 0, "lost: it has no side effect")
		say(n > 1, fmt.Sprintf("%d side effects", n))
	} else {
		say(accepted && count(lines, returned) == 0, "lost: its callback has never returned")
	}
	say(count(lines, overlaps) > 0, "it ran twice at once in one process")
	say(count(lines, completed) > 1, "it was completed more than once")
	say(ranAfterCompletion(lines), "it ran after it had been completed")
	say(returnedForNothing(lines), "its callback returned a second time, and no process had been killed in between")
	return list
}

// Handled returns how many deliveries of each vendor have been handled, accepted or not.
func (a Accounts) Handled() map[string]int {
	n := make(map[string]int)
	for _, d := range a.Deliveries {
		if a.Effects[d.Name] > 0 || !InTx(d.Name) && count(a.Journal.of(d.Name), returned) > 0 {
			n[d.Vendor]++
		}
	}
	return n
}

func ranAfterCompletion(lines []line) bool {
	for _, done := range lines {
		if done.verb == completed && slices.ContainsFunc(lines, func(l line) bool { return l.verb == runs && l.at > done.at }) {
			return true
		}
	}
	return false
}

// returnedForNothing reports whether a callback returned nil, was run again and returned nil once more, although its process
// had lived long enough to put the first down.
func returnedForNothing(lines []line) bool {
	lived := 0
	var last line
	for _, l := range lines {
		if l.verb != returned {
			continue
		}
		if !l.process.killed.Load() {
			lived++
		}
		if l.at > last.at {
			last = l
		}
	}
	if count(lines, unmarked) > 0 || lived == 0 {
		return false
	}
	return lived > 1 || last.process.killed.Load()
}

// story tells what is known of a delivery.
func (a Accounts) story(name string) string {
	var text strings.Builder
	lines := slices.Clone(a.Journal.of(name))
	slices.SortFunc(lines, func(a, b line) int { return int(a.at - b.at) })
	for _, l := range lines {
		fmt.Fprintf(&text, " %s@%d.%06d(%v)", l.verb, l.at/1e9%1000, l.at/1e3%1e6, l.process)
	}
	return text.String()
}
