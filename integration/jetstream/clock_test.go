package jetstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// Delays are the server's. What a process has written of its own clock must not make a delivery wait, nor run too early,
// once that clock has been set, or for a process whose clock differs.
func TestClock_ServerCountsRests(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{
		"set back a month": 30 * 24 * time.Hour, "set back an hour": time.Hour, "set ahead a month": -30 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rest = 2 * time.Second
			js := dial(t, newServer(t).ClientURL())
			o := jetstreaminbox.Options{}
			o.Policy.Backoff = func(int) time.Duration { return rest }
			box := open(t, js, o)
			times := make(chan time.Time, 10)
			d := newDesk(t, box, func(context.Context, string) error {
				times <- time.Now()
				if len(times) == 1 {
					return errors.New("the first time")
				}
				return nil
			})
			d.is(t, 200, letter("a", 1))
			run(t, box, d)
			aside, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_ASIDE")
			require.NoError(t, err)
			var note *jetstream.RawStreamMsg
			subject := noteOfFirst(t, js)
			soon(t, func() bool {
				note, err = aside.GetLastMsgForSubject(t.Context(), subject)
				return err == nil
			})
			// As if the clock had been set: what was written is later, or earlier, than it is now.
			var content map[string]any
			require.NoError(t, json.Unmarshal(note.Data, &content))
			due, err := time.Parse(time.RFC3339Nano, content["due"].(string))
			require.NoError(t, err)
			content["due"] = due.Add(by)
			text, err := json.Marshal(content)
			require.NoError(t, err)
			_, err = js.Publish(t.Context(), subject, text)
			require.NoError(t, err)
			soon(t, func() bool { return empty(t, js) })
			require.Equal(t, 2, d.calls.of("a"))
			first, second := <-times, <-times
			require.GreaterOrEqual(t, second.Sub(first), rest-20*time.Millisecond)
		})
	}
}
