package greenflash_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/webhook"
)

func FuzzIdentifyAndDecode(f *testing.F) {
	for _, sample := range greenflashtest.Samples() {
		f.Add(sample.Body)
	}
	for _, body := range []string{``, `{}`, `[]`, `{"type":"conversation.rating","data":"x"}`, `{"TYPE":"conversation.started","data":{},"Data":[]}`} {
		f.Add([]byte(body))
	}
	allowed := []webhook.Outcome{
		webhook.Handled, webhook.Unhandled, webhook.Malformed, webhook.Stale, webhook.Future, webhook.Undecodable,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newReceiver(t, greenflash.Config{Form: greenflash.FormTimestamp})
		r.react = func(_ context.Context, event any) error {
			envelope(event).Unknown()
			_, err := json.Marshal(event)
			return err
		}
		m := r.sent(greenflash.FormTimestamp, string(body), time.Now(), "d1")
		first := r.receive(m)
		require.Contains(t, allowed, first.Outcome, first.Err)
		again := first.Outcome
		if again == webhook.Handled {
			again = webhook.Duplicate
		}
		require.Equal(t, again, r.receive(m).Outcome)
	})
}
