//go:build unix

package crashtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An invariantCase is a delivery, the events of its receivers, and how many side effects it has.
type invariantCase struct {
	name     string
	accepted int
	kinds    []string // event kinds; a prefix marks those of a killed process
	effects  int
}

const killedProcess = "killed "

func (a invariantCase) problems() []string {
	var log EventLog
	killed, running := new(Process), new(Process)
	killed.killed.Store(true)
	for i, kind := range a.kinds {
		p := running
		if rest, ok := strings.CutPrefix(kind, killedProcess); ok {
			p, kind = killed, rest
		}
		log.add(p, fmt.Sprint(kind, " ", a.name, " ", i+1))
	}
	d := &Delivery{Name: a.name, accepted: a.accepted}
	effects := make(map[string]int)
	if a.effects > 0 {
		effects[a.name] = a.effects
	}
	return Invariants{Deliveries: []*Delivery{d}, EventLog: &log, Effects: effects}.problemsOf(d)
}

func TestInvariants_AcceptCorrectRecords(t *testing.T) {
	for why, a := range map[string]invariantCase{
		"given up":                      {name: "tx-1"},
		"given up, but stored":          {name: "tx-1", kinds: []string{runs, returned, completed}, effects: 1},
		"done":                          {name: "tx-1", accepted: 2, kinds: []string{runs, failed, runs, returned, completed}, effects: 1},
		"done, and an error after that": {name: "tx-1", accepted: 1, kinds: []string{runs, failed}, effects: 1},
		"killed before it returned":     {name: "plain-1", accepted: 1, kinds: []string{killedProcess + runs, runs, returned, completed}},
		"killed before it was recorded": {name: "plain-1", accepted: 1, kinds: []string{
			killedProcess + runs, killedProcess + returned, runs, returned, completed,
		}},
		"the result was recorded late": {name: "plain-1", accepted: 1, kinds: []string{runs, returned, notMarked, runs, returned}},
	} {
		require.Empty(t, a.problems(), why)
	}
}

func TestInvariants_FindLossAndRepetition(t *testing.T) {
	for why, a := range map[string]invariantCase{
		"lost: it has no side effect":         {name: "tx-1", accepted: 1, kinds: []string{runs, returned}},
		"2 side effects":                      {name: "tx-1", effects: 2},
		"lost: its callback has not returned": {name: "plain-1", accepted: 1, kinds: []string{runs, failed}},
		"it ran twice at once in one process": {name: "plain-1", kinds: []string{runs, overlaps}},
		"it ran after it had been completed":  {name: "plain-1", kinds: []string{runs, returned, killedProcess + completed, killedProcess + runs}},
		"its callback returned a second time, and no process had been killed in between": {name: "plain-1", kinds: []string{
			runs, returned, killedProcess + runs, killedProcess + returned,
		}},
	} {
		require.Equal(t, []string{why}, a.problems())
	}
}

func TestInvariants_FindUnsentSideEffects(t *testing.T) {
	a := Invariants{EventLog: new(EventLog), Effects: map[string]int{"tx-2": 1}}
	require.Equal(t, []string{"tx-2 has a side effect and was never sent"}, a.problems())
}
