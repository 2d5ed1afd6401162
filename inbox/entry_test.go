package inbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

func counted(n int) inbox.Attempt {
	return inbox.Attempt{Outcome: webhook.Failed, Error: fmt.Sprint("failure ", n), Counted: true}
}

func uncounted(n int) inbox.Attempt {
	return inbox.Attempt{Outcome: webhook.Unavailable, Error: fmt.Sprint("away ", n)}
}

func appended(attempts ...inbox.Attempt) (history []inbox.Attempt) {
	for _, a := range attempts {
		history = inbox.Append(history, a)
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
		history = inbox.Append(history, uncounted(n))
	}
	require.Equal(t, []inbox.Attempt{counted(1), uncounted(19_999)}, history)
}

func TestOfALongHistoryTheFirstAndTheLastAreKept(t *testing.T) {
	var history []inbox.Attempt
	for n := 1; n <= 3*inbox.MaxAttemptsKept; n++ {
		history = inbox.Append(history, counted(n))
		require.Len(t, history, min(n, inbox.MaxAttemptsKept))
		require.Equal(t, counted(1), history[0])
		for i := 1; i < len(history); i++ {
			require.Equal(t, counted(n-len(history)+1+i), history[i])
		}
	}
	history = inbox.Append(history, uncounted(1))
	require.Len(t, history, inbox.MaxAttemptsKept)
	full := append([]inbox.Attempt(nil), history...)
	full[inbox.MaxAttemptsKept-1] = uncounted(2)
	require.Equal(t, full, inbox.Append(history, uncounted(2)), "one that takes the place of another pushes none out")
}

func TestAppendingLeavesTheHistoryAsItWas(t *testing.T) {
	for name, attempts := range map[string][]inbox.Attempt{
		"uncounted": {counted(1), uncounted(2)},
		"long":      make([]inbox.Attempt, inbox.MaxAttemptsKept),
	} {
		t.Run(name, func(t *testing.T) {
			before := append(make([]inbox.Attempt, 0, 2*len(attempts)), attempts...)
			inbox.Append(before, uncounted(3))
			inbox.Append(before, counted(4))
			require.Equal(t, attempts, before)
		})
	}
}

func TestTheLastErrorIsThatOfTheLastAttemptThatHadOne(t *testing.T) {
	for want, attempts := range map[string][]inbox.Attempt{
		"":          {{Outcome: inbox.Lost}},
		"failure 2": {counted(1), counted(2), {Outcome: inbox.Lost, Counted: true}},
		"away 3":    {counted(1), uncounted(3)},
	} {
		require.Equal(t, want, (&inbox.Entry{Attempts: attempts}).LastError())
	}
	require.Empty(t, new(inbox.Entry).LastError())
}

func TestAnEntryCanBeStoredAsJSON(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.UTC)
	a := counted(1)
	a.At, a.Took, a.Reason = at, time.Second, webhook.ReasonStore
	e := inbox.Entry{ID: "1", State: inbox.Dead, Delivery: delivery("a"), Attempts: []inbox.Attempt{a}, Since: at}
	e.Delivery.Body = []byte("\xff{}")
	b, err := json.Marshal(e)
	require.NoError(t, err)
	require.NotContains(t, string(b), `"due"`)
	var got inbox.Entry
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, e, got)
}

func TestEntryJSON_IsReadable(t *testing.T) {
	a := counted(1)
	a.Took = 9_324_499
	e := inbox.Entry{ID: "1", State: inbox.Dead, Delivery: delivery("a"), Attempts: []inbox.Attempt{a}}
	e.Delivery.Body = []byte(`{"text":"Zoë <3"}`)
	b, err := json.Marshal(e)
	require.NoError(t, err)
	var got struct {
		Delivery struct{ Body string }
		Attempts []struct {
			TookMS float64 `json:"took_ms"`
		}
	}
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, string(e.Delivery.Body), got.Delivery.Body)
	require.InDelta(t, 9.324499, got.Attempts[0].TookMS, 0)
	require.NotContains(t, string(b), `"took":`)
}

func TestAttemptJSON_KeepsDurationsExactly(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 999, 65_443, 9_324_499, 260_550_938, 2_076_456_828, time.Second + 1, 30*time.Hour + 7} {
		b, err := json.Marshal(inbox.Attempt{Took: d})
		require.NoError(t, err)
		var got inbox.Attempt
		require.NoError(t, json.Unmarshal(b, &got))
		require.Equal(t, d, got.Took, string(b))
	}
	require.Error(t, json.Unmarshal([]byte(`{"took_ms":"1"}`), new(inbox.Attempt)))
}
