//go:build unix

package crashtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Invariants are what must be true after all receivers have ended.
type Invariants struct {
	Deliveries []*Delivery
	EventLog   *EventLog

	// Effects is how many rows each delivery's callback has written to the receivers' table.
	Effects map[string]int
}

// Check fails the test if a delivery was lost, or was completed twice.
func (a Invariants) Check(t testing.TB) {
	t.Helper()
	problems := a.problems()
	n := len(problems)
	require.Empty(t, problems[:min(n, 20)], "%d problems", n)
}

func (a Invariants) problems() (list []string) {
	known := make(map[string]bool, len(a.Deliveries))
	for _, d := range a.Deliveries {
		known[d.Name] = true
		for _, problem := range a.problemsOf(d) {
			list = append(list, fmt.Sprintf("%s (%d responses with 200): %s: %s", d.Name, d.Accepted(), problem, a.history(d.Name)))
		}
	}
	for name := range a.Effects {
		if !known[name] {
			list = append(list, name+" has a side effect and was never sent")
		}
	}
	return list
}

func (a Invariants) problemsOf(d *Delivery) (list []string) {
	events := a.EventLog.of(d.Name)
	report := func(wrong bool, problem string) {
		if wrong {
			list = append(list, problem)
		}
	}
	accepted := d.Accepted() > 0
	if InTx(d.Name) {
		n := a.Effects[d.Name]
		report(accepted && n == 0, "lost: it has no side effect")
		report(n > 1, fmt.Sprintf("%d side effects", n))
	} else {
		report(accepted && count(events, returned) == 0, "lost: its callback has not returned")
	}
	report(count(events, overlaps) > 0, "it ran twice at once in one process")
	report(count(events, completed) > 1, "it was completed more than once")
	report(ranAfterCompletion(events), "it ran after it had been completed")
	report(returnedTwice(events), "its callback returned a second time, and no process had been killed in between")
	return list
}

// Handled returns how many deliveries of each vendor were handled, whether or not they got 200.
func (a Invariants) Handled() map[string]int {
	n := make(map[string]int)
	for _, d := range a.Deliveries {
		if a.Effects[d.Name] > 0 || !InTx(d.Name) && count(a.EventLog.of(d.Name), returned) > 0 {
			n[d.Vendor]++
		}
	}
	return n
}

func ranAfterCompletion(events []event) bool {
	for _, done := range events {
		if done.kind == completed && slices.ContainsFunc(events, func(l event) bool { return l.kind == runs && l.at > done.at }) {
			return true
		}
	}
	return false
}

// returnedTwice reports whether a callback returned nil, ran again and returned nil again, although the first process
// was not killed before it could record the result.
func returnedTwice(events []event) bool {
	survived := 0
	var last event
	for _, l := range events {
		if l.kind != returned {
			continue
		}
		if !l.process.killed.Load() {
			survived++
		}
		if l.at > last.at {
			last = l
		}
	}
	if count(events, notMarked) > 0 || survived == 0 {
		return false
	}
	return survived > 1 || last.process.killed.Load()
}

// history returns the events of a delivery as text.
func (a Invariants) history(name string) string {
	var text strings.Builder
	events := slices.Clone(a.EventLog.of(name))
	slices.SortFunc(events, func(a, b event) int { return int(a.at - b.at) })
	for _, l := range events {
		fmt.Fprintf(&text, " %s@%d.%06d(%v)", l.kind, l.at/1e9%1000, l.at/1e3%1e6, l.process)
	}
	return text.String()
}
