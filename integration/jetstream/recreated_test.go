package jetstream_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// recreate deletes a stream and creates it again: with New, or like an operator, from sequence 1.
var recreate = map[string]func(t *testing.T, js jetstream.JetStream, stream string){
	"ByNew": func(t *testing.T, js jetstream.JetStream, stream string) {
		require.NoError(t, js.DeleteStream(t.Context(), stream))
		open(t, js, jetstreaminbox.Options{})
	},
	"ByAnOperator": func(t *testing.T, js jetstream.JetStream, stream string) {
		s, err := js.Stream(t.Context(), stream)
		require.NoError(t, err)
		c := s.CachedInfo().Config
		require.NoError(t, js.DeleteStream(t.Context(), stream))
		c.FirstSeq = 0
		_, err = js.CreateStream(t.Context(), c)
		require.NoError(t, err)
	},
	// Both streams begin at sequences that were used before.
	"WithItsNotes": func(t *testing.T, js jetstream.JetStream, stream string) {
		for _, name := range []string{stream, jetstreaminbox.DefaultName + "_DEFERRED"} {
			s, err := js.Stream(t.Context(), name)
			require.NoError(t, err)
			c := s.CachedInfo().Config
			require.NoError(t, js.DeleteStream(t.Context(), name))
			c.FirstSeq = 0
			_, err = js.CreateStream(t.Context(), c)
			require.NoError(t, err)
		}
	},
}

// eachRecreation runs a test on streams whose sequences begin at 1, like those of an operator.
func eachRecreation(t *testing.T, f func(t *testing.T, js jetstream.JetStream, recreateStream func(t *testing.T, js jetstream.JetStream, stream string))) {
	for name, recreateStream := range recreate {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			open(t, js, jetstreaminbox.Options{})
			for _, stream := range []string{"AIHOOKS", "AIHOOKS_DEFERRED", "AIHOOKS_DEADLETTERS"} {
				recreate["ByAnOperator"](t, js, stream)
			}
			f(t, js, recreateStream)
		})
	}
}

func TestRecreatedStream_InheritsNoAttempts(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, recreateStream func(*testing.T, jetstream.JetStream, string)) {
		delay := func(int) time.Duration { return time.Hour }
		old := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{MaxAttempts: 3, Backoff: func(n int) time.Duration {
			if n < 2 {
				return time.Millisecond
			}
			return delay(n)
		}}})
		d := newTestHandler(t, old, func(context.Context, string) error { return errors.New("on purpose") })
		stop := inboxkit.Run(t, old, d)
		_, err := old.Enqueue(t.Context(), newDelivery("old"))
		require.NoError(t, err)
		kit.Eventually(t, func() bool { return d.Calls.Of("old") == 2 })
		stop()
		recreateStream(t, js, jetstreaminbox.DefaultName)

		box := open(t, js, jetstreaminbox.Options{Policy: policy(3)})
		d = newTestHandler(t, box, func(context.Context, string) error { return errors.New("on purpose") })
		_, err = box.Enqueue(t.Context(), newDelivery("new"))
		require.NoError(t, err)
		inboxkit.Run(t, box, d)
		kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 })
		require.Equal(t, 3, d.Calls.Of("new"))
		require.Len(t, inboxkit.DeadLetters(t, box)[0].Attempts, 3)
		kit.Eventually(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_DEFERRED") == 0 }, "the old attempt record is purged")
	})
}

// The server recognizes a dead letter that is stored twice by the position of its delivery.
func TestRecreatedStream_LosesNoDeadLetter(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, recreateStream func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{})
		stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
		_, err := box.Enqueue(t.Context(), newDelivery("old"))
		require.NoError(t, err)
		kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
		stop()
		recreateStream(t, js, jetstreaminbox.DefaultName)
		box = open(t, js, jetstreaminbox.Options{})
		inboxkit.Run(t, box, newTestHandler(t, box, permanent))
		_, err = box.Enqueue(t.Context(), newDelivery("new"))
		require.NoError(t, err)
		kit.Eventually(t, func() bool { return empty(t, js) })
		require.Len(t, inboxkit.DeadLetters(t, box), 2)
	})
}

// The same delivery was a dead letter at the same sequence before.
func TestRecreatedStream_RunsPreviousDeadLetter(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, recreateStream func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{})
		stop := inboxkit.Run(t, box, newTestHandler(t, box, permanent))
		_, err := box.Enqueue(t.Context(), newDelivery("a"))
		require.NoError(t, err)
		kit.Eventually(t, func() bool { return len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
		stop()
		recreateStream(t, js, jetstreaminbox.DefaultName)
		box = open(t, js, jetstreaminbox.Options{})
		stop = inboxkit.Run(t, box, newTestHandler(t, box, permanent)) // creates the consumer
		awaitConsumer(t, js)
		stop()
		duplicate, err := box.Enqueue(t.Context(), newDelivery("a"))
		require.NoError(t, err)
		require.False(t, duplicate)
		fetchAndNak(t, js)
		d := newTestHandler(t, box, succeed)
		inboxkit.Run(t, box, d)
		kit.Eventually(t, func() bool { return empty(t, js) })
		require.Equal(t, 1, d.Calls.Of("a"))
	})
}

// The stream of deliveries recognizes a retried dead letter by the dead letter's position.
func TestRecreatedStream_BringsBackLaterDeadLetters(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, recreateStream func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{})
		d := newTestHandler(t, box, permanent)
		inboxkit.Run(t, box, d)
		_, err := box.Enqueue(t.Context(), newDelivery("a"))
		require.NoError(t, err)
		for calls := 1; calls <= 3; calls++ {
			kit.Eventually(t, func() bool { return d.Calls.Of("a") == calls && len(inboxkit.DeadLetters(t, box)) == 1 && empty(t, js) })
			if calls == 2 { // again at the sequence of the first one
				raw := rawDead(t, js)
				recreateStream(t, js, jetstreaminbox.DefaultName+"_DEADLETTERS")
				_, err = js.PublishMsg(t.Context(), raw)
				require.NoError(t, err)
			}
			n, err := box.Rerun(t.Context(), inbox.Filter{All: true})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		kit.Eventually(t, func() bool { return d.Calls.Of("a") == 4 })
	})
}

// An acknowledgement names a message only by its sequence, and would end another running delivery.
func TestRecreatedStream_IsNotAcknowledgedByOldCallbacks(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	release := map[string]chan struct{}{"old": make(chan struct{}), "new": make(chan struct{})}
	d := newTestHandler(t, box, func(ctx context.Context, name string) error {
		select {
		case <-release[name]:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	inboxkit.Run(t, box, d)
	_, err := box.Enqueue(t.Context(), newDelivery("old"))
	require.NoError(t, err)
	kit.Eventually(t, func() bool { return d.Calls.Of("old") == 1 })
	recreate["ByNew"](t, js, jetstreaminbox.DefaultName)
	kit.Eventually(t, func() bool {
		_, err = box.Enqueue(t.Context(), newDelivery("new"))
		return err == nil
	})
	kit.Eventually(t, func() bool { return d.Calls.Of("new") == 1 })
	close(release["old"])
	consistently(t, func() bool { return !empty(t, js) })
	close(release["new"])
	kit.Eventually(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.Calls.Of("new"))
}
