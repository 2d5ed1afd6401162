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
	return inbox.Attempt{Outcome: webhook.Unavailable, Error: fmt.Sprint("unavailable ", n)}
}

func TestTheLastErrorIsThatOfTheLastAttemptThatHadOne(t *testing.T) {
	for want, attempts := range map[string][]inbox.Attempt{
		"":              {{Outcome: inbox.Lost}},
		"failure 2":     {counted(1), counted(2), {Outcome: inbox.Lost, Counted: true}},
		"unavailable 3": {counted(1), uncounted(3)},
	} {
		require.Equal(t, want, (&inbox.Entry{Attempts: attempts}).LastError())
	}
	require.Empty(t, new(inbox.Entry).LastError())
}

func TestAnEntryCanBeStoredAsJSON(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.UTC)
	a := counted(1)
	a.At, a.Took, a.Reason = at, time.Second, webhook.ReasonStore
	e := inbox.Entry{ID: "1", State: inbox.DeadLettered, Delivery: &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: "a"}, Attempts: []inbox.Attempt{a}, Since: at}
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
	e := inbox.Entry{ID: "1", State: inbox.DeadLettered, Delivery: &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: "a"}, Attempts: []inbox.Attempt{a}}
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
