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
)

// recreate deletes a stream and makes it again, empty: by New, or as an operator does, from sequence 1 on.
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
	// Both the deliveries and their attempts begin at sequences that there have been.
	"WithItsNotes": func(t *testing.T, js jetstream.JetStream, stream string) {
		for _, name := range []string{stream, jetstreaminbox.DefaultName + "_ASIDE"} {
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

// eachRecreation runs a test on streams that were made by an operator beforehand, so that their sequences begin at 1.
func eachRecreation(t *testing.T, f func(t *testing.T, js jetstream.JetStream, again func(t *testing.T, js jetstream.JetStream, stream string))) {
	for name, again := range recreate {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := dial(t, newServer(t).ClientURL())
			open(t, js, jetstreaminbox.Options{})
			for _, stream := range []string{"AIHOOKS", "AIHOOKS_ASIDE", "AIHOOKS_DEAD"} {
				recreate["ByAnOperator"](t, js, stream)
			}
			f(t, js, again)
		})
	}
}

func TestRecreatedStream_InheritsNoAttempts(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, again func(*testing.T, jetstream.JetStream, string)) {
		rest := func(int) time.Duration { return time.Hour }
		old := open(t, js, jetstreaminbox.Options{Policy: inbox.Policy{MaxAttempts: 3, Backoff: func(n int) time.Duration {
			if n < 2 {
				return time.Millisecond
			}
			return rest(n)
		}}})
		d := newDesk(t, old, func(context.Context, string) error { return errors.New("on purpose") })
		stop := run(t, old, d)
		_, err := old.Enqueue(t.Context(), parcel("old"))
		require.NoError(t, err)
		soon(t, func() bool { return d.calls.of("old") == 2 })
		stop()
		again(t, js, jetstreaminbox.DefaultName)

		box := open(t, js, jetstreaminbox.Options{Policy: policy(3)})
		d = newDesk(t, box, func(context.Context, string) error { return errors.New("on purpose") })
		_, err = box.Enqueue(t.Context(), parcel("new"))
		require.NoError(t, err)
		run(t, box, d)
		soon(t, func() bool { return len(dead(t, box)) == 1 })
		require.Equal(t, 3, d.calls.of("new"))
		require.Len(t, dead(t, box)[0].Attempts, 3)
		soon(t, func() bool { return messages(t, js, jetstreaminbox.DefaultName+"_ASIDE") == 0 }, "the old one's are swept up")
	})
}

// The server recognises a dead letter that is stored twice by where the delivery was.
func TestRecreatedStream_LosesNoDeadLetter(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, again func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{})
		stop := run(t, box, newDesk(t, box, permanent))
		_, err := box.Enqueue(t.Context(), parcel("old"))
		require.NoError(t, err)
		soon(t, func() bool { return len(dead(t, box)) == 1 && empty(t, js) })
		stop()
		again(t, js, jetstreaminbox.DefaultName)
		box = open(t, js, jetstreaminbox.Options{})
		run(t, box, newDesk(t, box, permanent))
		_, err = box.Enqueue(t.Context(), parcel("new"))
		require.NoError(t, err)
		soon(t, func() bool { return empty(t, js) })
		require.Len(t, dead(t, box), 2)
	})
}

// The same delivery has been a dead letter at the same sequence before.
func TestRecreatedStream_RunsWhatWasADeadLetterBefore(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, again func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{Lease: time.Second})
		stop := run(t, box, newDesk(t, box, permanent))
		_, err := box.Enqueue(t.Context(), parcel("a"))
		require.NoError(t, err)
		soon(t, func() bool { return len(dead(t, box)) == 1 && empty(t, js) })
		stop()
		again(t, js, jetstreaminbox.DefaultName)
		box = open(t, js, jetstreaminbox.Options{Lease: time.Second})
		stop = run(t, box, newDesk(t, box, permanent)) // makes the consumer
		awaitConsumer(t, js)
		stop()
		duplicate, err := box.Enqueue(t.Context(), parcel("a"))
		require.NoError(t, err)
		require.False(t, duplicate)
		takeAndDie(t, js)
		d := newDesk(t, box, succeed)
		run(t, box, d)
		soon(t, func() bool { return empty(t, js) })
		require.Equal(t, 1, d.calls.of("a"))
	})
}

// The stream of deliveries recognises what is brought back by where the dead letter was.
func TestRecreatedStream_BringsBackLaterDeadLetters(t *testing.T) {
	t.Parallel()
	eachRecreation(t, func(t *testing.T, js jetstream.JetStream, again func(*testing.T, jetstream.JetStream, string)) {
		box := open(t, js, jetstreaminbox.Options{})
		d := newDesk(t, box, permanent)
		run(t, box, d)
		_, err := box.Enqueue(t.Context(), parcel("a"))
		require.NoError(t, err)
		for calls := 1; calls <= 3; calls++ {
			soon(t, func() bool { return d.calls.of("a") == calls && len(dead(t, box)) == 1 && empty(t, js) })
			if calls == 2 { // once more at the sequence that the first one was at
				raw := rawDead(t, js)
				again(t, js, jetstreaminbox.DefaultName+"_DEAD")
				_, err = js.PublishMsg(t.Context(), raw)
				require.NoError(t, err)
			}
			n, err := box.Rerun(t.Context(), inbox.Filter{All: true})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		soon(t, func() bool { return d.calls.of("a") == 4 })
	})
}

// An acknowledgement names a message by its sequence, and would end another delivery that runs.
func TestRecreatedStream_IsNotAcknowledgedByOldCallbacks(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	box := open(t, js, jetstreaminbox.Options{})
	leave := map[string]chan struct{}{"old": make(chan struct{}), "new": make(chan struct{})}
	d := newDesk(t, box, func(ctx context.Context, name string) error {
		select {
		case <-leave[name]:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	run(t, box, d)
	_, err := box.Enqueue(t.Context(), parcel("old"))
	require.NoError(t, err)
	soon(t, func() bool { return d.calls.of("old") == 1 })
	recreate["ByNew"](t, js, jetstreaminbox.DefaultName)
	soon(t, func() bool {
		_, err = box.Enqueue(t.Context(), parcel("new"))
		return err == nil
	})
	soon(t, func() bool { return d.calls.of("new") == 1 })
	close(leave["old"])
	forAWhile(t, func() bool { return !empty(t, js) })
	close(leave["new"])
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, 1, d.calls.of("new"))
}
