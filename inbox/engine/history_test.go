package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

func counted(n int) inbox.Attempt {
	return inbox.Attempt{Outcome: webhook.Failed, Error: fmt.Sprint("failure ", n), Counted: true}
}

func uncounted(n int) inbox.Attempt {
	return inbox.Attempt{Outcome: webhook.Unavailable, Error: fmt.Sprint("unavailable ", n)}
}

func appended(attempts ...inbox.Attempt) (history []inbox.Attempt) {
	for _, a := range attempts {
		history = engine.Append(history, a)
	}
	return history
}

func TestAttemptsAreKeptInTheirOrder(t *testing.T) {
	require.Equal(t, []inbox.Attempt{counted(1), uncounted(2), counted(3), counted(4)}, appended(counted(1), uncounted(2), counted(3), counted(4)))
}

func TestOfAttemptsInARowThatDoNotCountTheLastIsKept(t *testing.T) {
	require.Equal(t, []inbox.Attempt{uncounted(2), counted(3), uncounted(6), counted(7)},
		appended(uncounted(1), uncounted(2), counted(3), uncounted(4), uncounted(5), uncounted(6), counted(7)))
}

func TestAStoreThatIsAwayForADayDoesNotFillTheHistory(t *testing.T) {
	history := appended(counted(1))
	for n := range 20_000 {
		history = engine.Append(history, uncounted(n))
	}
	require.Equal(t, []inbox.Attempt{counted(1), uncounted(19_999)}, history)
}

func TestOfALongHistoryTheFirstAndTheLastAreKept(t *testing.T) {
	var history []inbox.Attempt
	for n := 1; n <= 3*engine.MaxAttemptsKept; n++ {
		history = engine.Append(history, counted(n))
		require.Len(t, history, min(n, engine.MaxAttemptsKept))
		require.Equal(t, counted(1), history[0])
		for i := 1; i < len(history); i++ {
			require.Equal(t, counted(n-len(history)+1+i), history[i])
		}
	}
	history = engine.Append(history, uncounted(1))
	require.Len(t, history, engine.MaxAttemptsKept)
	full := append([]inbox.Attempt(nil), history...)
	full[engine.MaxAttemptsKept-1] = uncounted(2)
	require.Equal(t, full, engine.Append(history, uncounted(2)), "a replaced attempt removes no other")
}

func TestAppendingLeavesTheHistoryAsItWas(t *testing.T) {
	for name, attempts := range map[string][]inbox.Attempt{
		"uncounted": {counted(1), uncounted(2)},
		"long":      make([]inbox.Attempt, engine.MaxAttemptsKept),
	} {
		t.Run(name, func(t *testing.T) {
			before := append(make([]inbox.Attempt, 0, 2*len(attempts)), attempts...)
			engine.Append(before, uncounted(3))
			engine.Append(before, counted(4))
			require.Equal(t, attempts, before)
		})
	}
}
