package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestDrainOfNothingReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDispatcher(t, inbox.Policy{}, acme(handled))
		begin(t, d, delivery("a"), nothing)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, d.Drain())
		require.Equal(t, began, time.Now())
	})
}

func TestDrainWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, log := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second}, acme(takes(7*time.Second)))
		var dispositions [3]engine.Disposition
		for i := range dispositions {
			begin(t, d, delivery("a"), func(decision engine.Decision) {
				time.Sleep(time.Second) // recording takes a second
				dispositions[i] = decision.Disposition
			})
			time.Sleep(time.Millisecond)
		}
		began := time.Now()
		require.NoError(t, d.Drain())
		require.Equal(t, 8*time.Second-time.Millisecond, time.Since(began))
		require.Equal(t, [3]engine.Disposition{engine.Complete, engine.Complete, engine.Complete}, dispositions)
		require.Empty(t, log.lines(t, slog.LevelError))
	})
}

func TestDrainCancelsWhatStillRunsAfterTheDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, log := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second, MaxAttempts: 1}, acme(takes(time.Minute)))
		var got engine.Decision
		begin(t, d, delivery("a"), func(decision engine.Decision) { got = decision })
		began := time.Now()
		require.NoError(t, d.Drain())
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, engine.Retry, got.Disposition)
		require.Zero(t, got.After, "the next process runs it at once")
		require.False(t, got.Attempt.Counted)
		require.Equal(t, context.Canceled.Error(), got.Attempt.Error)
		require.Empty(t, log.lines(t, slog.LevelError))
	})
}

func TestWhatReturnsWithinASecondOfBeingCancelledIsNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second}, acme(ignoresCancel(10*time.Second+900*time.Millisecond)))
		var got engine.Decision
		begin(t, d, delivery("a"), func(decision engine.Decision) { got = decision })
		require.NoError(t, d.Drain())
		require.Equal(t, engine.Complete, got.Disposition, "it succeeded although it was canceled")
	})
}

func TestDrainNamesWhatDidNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, log := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second}, acme(func(ctx context.Context, given *webhook.Delivery) webhook.Result {
			if given.ID == "obeys" {
				return takes(time.Minute)(ctx, given)
			}
			return ignoresCancel(time.Minute)(ctx, given)
		}))
		for _, id := range []string{"c", "obeys", "a", "b"} {
			begin(t, d, delivery(id), nothing)
		}
		began := time.Now()
		err := d.Drain()
		require.Equal(t, 11*time.Second, time.Since(began))
		var left *inbox.DrainError
		require.ErrorAs(t, err, &left)
		require.Equal(t, []string{"acme/default/a", "acme/default/b", "acme/default/c"}, left.Left)
		require.EqualError(t, err, "inbox: 3 callbacks did not return within a second after they were canceled")
		lines := log.lines(t, slog.LevelError)
		require.Len(t, lines, 1)
		require.InDelta(t, 3, lines[0]["left"], 0)
		time.Sleep(time.Minute) // wait until they return
	})
}

func TestWhatHasReturnedButCannotBePutDownIsNotNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second}, acme(handled))
		begin(t, d, delivery("a"), func(engine.Decision) { time.Sleep(time.Minute) })
		began := time.Now()
		require.NoError(t, d.Drain())
		require.Equal(t, 11*time.Second, time.Since(began))
		time.Sleep(time.Minute)
	})
}

func TestAPanicOfAHookLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		d, _ := newDispatcher(t, inbox.Policy{Concurrency: 1}, acme(func(context.Context, *webhook.Delivery) webhook.Result { panic(boom) }))
		for range 3 {
			var got engine.Decision
			begin(t, d, delivery("a"), func(decision engine.Decision) { got = decision })
			<-d.Freed()
			require.Equal(t, webhook.ReasonPanic, got.Attempt.Reason)
		}
		require.NoError(t, d.Drain())
	})
}
