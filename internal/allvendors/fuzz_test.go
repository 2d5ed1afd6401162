package allvendors_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

func FuzzIdentifyAndDecode(f *testing.F) {
	vendors := vendortest.All()
	for i, v := range vendors {
		for _, s := range v.Samples {
			f.Add(uint8(i), s.Body, true)
			f.Add(uint8(i), s.Body, false)
		}
		for _, body := range []string{
			``, `null`, `[]`, `{}`, `{"data":{}}`,
			`{"type":1,"timestamp":true,"data":[]}`,
			`{"event":1,"timestamp":true,"data":[]}`,
			`{"type":"message.created","timestamp":"2024-01-01T12:00:00Z","data":{"@event":{"id":1}}}`,
			`{"type":"message.created","timestamp":"9999-12-31T23:59:59Z","data":null}`,
			`{"event":"conversation.started","timestamp":"2024-01-01T12:00:00Z","data":{"@event":{"id":1}}}`,
			`{"event":"conversation.started","timestamp":"9999-12-31T23:59:59Z","data":null}`,
			`{"type":"conversation.rating","data":"x"}`,
			`{"TYPE":"conversation.started","data":{},"Data":[]}`,
			`{"alert_type":"red_flag","score_details":{"a_score":[1],"b_score":null}}`,
			`{"ALERT_TYPE":"low_score"}`,
		} {
			f.Add(uint8(i), []byte(body), true)
		}
	}
	allowed := []webhook.Outcome{
		webhook.Handled, webhook.Unhandled, webhook.Rejected, webhook.Failed,
	}
	f.Fuzz(func(t *testing.T, vendor uint8, body []byte, now bool) {
		if len(body) > webhook.DefaultMaxBody/2 {
			t.Skip("it may be too long once it is dated")
		}
		v := vendors[int(vendor)%len(vendors)]
		if now {
			body = v.Dated(body, time.Now())
		}
		var r vendortest.Recorder
		h := v.Handler(t)
		h.OnEvent(r.Callback)
		sender := v.Sender(t, h)
		d := sender.Raw(body)
		first := sender.Process(d)
		if s := v.Profile.Scheme; first.Outcome == webhook.Unauthenticated && s != nil && len(s.Forms) > 1 {
			require.False(t, bytes.HasPrefix(body, []byte("{")), "only a body that is not an object can begin like the headers of another form")
			return
		}
		require.Contains(t, allowed, first.Outcome, "%s: %v", v.Name(), first.Err)
		again := first.Outcome
		if again == webhook.Handled {
			again = webhook.Duplicate
			require.Len(t, r.Events(), 1)
			_, err := json.Marshal(r.Events()[0])
			require.NoError(t, err)
			for _, raw := range r.Events()[0].Unknown() {
				require.True(t, json.Valid(raw))
			}
		} else {
			require.Empty(t, r.Events())
		}
		require.Equal(t, again, sender.Process(d).Outcome, v.Name())
	})
}
