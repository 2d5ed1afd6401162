package workflux_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func FuzzIdentifyAndDecode(f *testing.F) {
	for _, s := range workfluxtest.Samples() {
		f.Add(s.Body, true)
		f.Add(s.Body, false)
	}
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"data":{}}`, `{"event":1,"timestamp":true,"data":[]}`,
		`{"event":"conversation.started","timestamp":"2024-01-01T12:00:00Z","data":{"@event":{"id":1}}}`,
		`{"event":"conversation.started","timestamp":"9999-12-31T23:59:59Z","data":null}`,
	} {
		f.Add([]byte(body), true)
	}
	allowed := []webhook.Outcome{
		webhook.Handled, webhook.Unhandled, webhook.Malformed, webhook.Stale, webhook.Future, webhook.Undecodable, webhook.Duplicate,
	}
	f.Fuzz(func(t *testing.T, body []byte, now bool) {
		if len(body) > webhook.DefaultMaxBody/2 {
			t.Skip()
		}
		if now {
			body = sender.Stamp(body, time.Now())
		}
		h := newHandler(t)
		events := registerAll(t, h)
		first := send(t, h, body)
		require.Contains(t, allowed, first.Outcome, "%v", first.Err)
		if first.Outcome != webhook.Handled {
			return
		}
		e := <-events
		_, err := json.Marshal(e)
		require.NoError(t, err)
		for _, raw := range e.Unknown() {
			require.True(t, json.Valid(raw))
		}
		require.Equal(t, webhook.Duplicate, send(t, h, body).Outcome)
	})
}
