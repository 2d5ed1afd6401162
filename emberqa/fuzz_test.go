package emberqa_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/webhook"
)

func FuzzIdentifyAndDecode(f *testing.F) {
	for _, sample := range emberqatest.Samples() {
		f.Add(sample.Body)
	}
	for _, body := range []string{``, `{}`, `[]`, `{"alert_type":"red_flag","score_details":{"a_score":[1],"b_score":null}}`, `{"ALERT_TYPE":"low_score"}`} {
		f.Add([]byte(body))
	}
	allowed := []webhook.Outcome{
		webhook.Handled, webhook.Unhandled, webhook.Malformed, webhook.Stale, webhook.Future, webhook.Undecodable,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newReceiver(t)
		r.react = func(_ context.Context, event any) error {
			envelope(event).Unknown()
			_, err := json.Marshal(event)
			return err
		}
		first := r.receive(string(body))
		require.Contains(t, allowed, first.Outcome, first.Err)
		again := first.Outcome
		if again == webhook.Handled {
			again = webhook.Duplicate
		}
		require.Equal(t, again, r.receive(string(body)).Outcome)
	})
}
