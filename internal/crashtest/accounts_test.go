//go:build unix

package crashtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An account is a delivery, what receivers said of it, and how many side effects it has.
type account struct {
	name     string
	accepted int
	lines    []string // verb, or a verb by a process that was killed
	effects  int
}

const killedProcess = "killed "

func (a account) problems() []string {
	var j Journal
	dead, alive := new(Process), new(Process)
	dead.killed.Store(true)
	for i, verb := range a.lines {
		p := alive
		if rest, killed := strings.CutPrefix(verb, killedProcess); killed {
			p, verb = dead, rest
		}
		j.add(p, fmt.Sprint(verb, " ", a.name, " ", i+1))
	}
	d := &Delivery{Name: a.name, accepted: a.accepted}
	effects := make(map[string]int)
	if a.effects > 0 {
		effects[a.name] = a.effects
	}
	return Accounts{Deliveries: []*Delivery{d}, Journal: &j, Effects: effects}.problemsOf(d)
}

func TestAccountsThatAreRightAreLeftAlone(t *testing.T) {
	for why, a := range map[string]account{
		"given up":                          {name: "tx-1"},
		"given up, and stored all the same": {name: "tx-1", lines: []string{runs, returned, completed}, effects: 1},
		"done":                              {name: "tx-1", accepted: 2, lines: []string{runs, failed, runs, returned, completed}, effects: 1},
		"done, and an error after that":     {name: "tx-1", accepted: 1, lines: []string{runs, failed}, effects: 1},
		"killed before it returned":         {name: "plain-1", accepted: 1, lines: []string{killedProcess + runs, runs, returned, completed}},
		"killed before it was put down": {name: "plain-1", accepted: 1, lines: []string{
			killedProcess + runs, killedProcess + returned, runs, returned, completed,
		}},
		"it took long to put it down": {name: "plain-1", accepted: 1, lines: []string{runs, returned, unmarked, runs, returned}},
	} {
		require.Empty(t, a.problems(), why)
	}
}

func TestWhatIsLostOrDoneTwiceIsFound(t *testing.T) {
	for why, a := range map[string]account{
		"lost: it has no side effect":           {name: "tx-1", accepted: 1, lines: []string{runs, returned}},
		"2 side effects":                        {name: "tx-1", effects: 2},
		"lost: its callback has never returned": {name: "plain-1", accepted: 1, lines: []string{runs, failed}},
		"it ran twice at once in one process":   {name: "plain-1", lines: []string{runs, overlaps}},
		"it ran after it had been completed":    {name: "plain-1", lines: []string{runs, returned, killedProcess + completed, killedProcess + runs}},
		"its callback returned a second time, and no process had been killed in between": {name: "plain-1", lines: []string{
			runs, returned, killedProcess + runs, killedProcess + returned,
		}},
	} {
		require.Equal(t, []string{why}, a.problems())
	}
}

func TestASideEffectOfNothingThatWasSentIsFound(t *testing.T) {
	a := Accounts{Journal: new(Journal), Effects: map[string]int{"tx-2": 1}}
	require.Equal(t, []string{"tx-2 has a side effect and was never sent"}, a.problems())
}
