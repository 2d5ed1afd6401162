package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// The server measures delays. A process may write a time by its clock, and then its clock is set, or another process has
// another clock. The delivery must run neither later nor too early.
func TestClock_ServerCountsRests(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{
		"set back a month": 30 * 24 * time.Hour, "set back an hour": time.Hour, "set ahead a month": -30 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const delay = 2 * time.Second
			js := dial(t, newServer(t).ClientURL())
			o := jetstreaminbox.Options{}
			o.Policy.Backoff = func(int) time.Duration { return delay }
			box := open(t, js, o)
			times := make(chan time.Time, 10)
			running, stop := context.WithTimeout(t.Context(), kit.Patience)
			d := newTestHandler(t, box, func(context.Context, string) error {
				times <- time.Now()
				if len(times) == 1 {
					stop() // so that the second attempt waits until the record is changed
					return errors.New("the first time")
				}
				return nil
			})
			d.MustRespond(t, 200, inboxkit.MessageBody("a", 1))
			require.NoError(t, box.Run(running, d))
			deferred, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEFERRED")
			require.NoError(t, err)
			subject := firstRecordSubject(t, js)
			record, err := deferred.GetLastMsgForSubject(t.Context(), subject)
			require.NoError(t, err)
			// The state after a clock was set: the written time is too late, or too early.
			var content map[string]any
			require.NoError(t, json.Unmarshal(record.Data, &content))
			due, err := time.Parse(time.RFC3339Nano, content["due"].(string))
			require.NoError(t, err)
			content["due"] = due.Add(by)
			text, err := json.Marshal(content)
			require.NoError(t, err)
			_, err = js.Publish(t.Context(), subject, text)
			require.NoError(t, err)
			inboxkit.Run(t, box, d)
			kit.Eventually(t, func() bool { return empty(t, js) })
			require.Equal(t, 2, d.Calls.Of("a"))
			first, second := <-times, <-times
			require.GreaterOrEqual(t, second.Sub(first), delay-20*time.Millisecond)
		})
	}
}
