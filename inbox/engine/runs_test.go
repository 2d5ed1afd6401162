package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// runOne begins a Run with one callback, as an engine does, and drains it once its context has ended.
func runOne(t *testing.T, runs *engine.Runs, ctx context.Context, p inbox.Policy, redeliver func(context.Context, *webhook.Delivery) webhook.Result) <-chan error { //nolint:revive // t comes first
	t.Helper()
	p.Logger = slog.New(slog.DiscardHandler)
	p, err := engine.WithDefaults(p)
	require.NoError(t, err)
	d, end, err := runs.Begin(ctx, p, acme(redeliver))
	require.NoError(t, err)
	begin(t, d, delivery("a"), nothing)
	returned := make(chan error, 1)
	go func() {
		defer end()
		<-d.Context().Done()
		returned <- d.Drain()
	}()
	synctest.Wait()
	return returned
}

func TestRuns_ShutdownHasOneDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		callback func(context.Context, *webhook.Delivery) webhook.Result
		deadline time.Duration // of the context, after the call
		want     time.Duration
		left     bool
	}{
		"callback ends in time":        {takes(2 * time.Second), 3 * time.Second, 2 * time.Second, false},
		"callback is canceled":         {takes(time.Minute), 3 * time.Second, 3 * time.Second, false},
		"callback ignores cancel":      {ignoresCancel(time.Minute), 3 * time.Second, 4 * time.Second, true},
		"longer than the DrainTimeout": {takes(20 * time.Second), 30 * time.Second, 20 * time.Second, false},
		"deadline has just passed":     {ignoresCancel(time.Minute), 0, time.Second, true},
		"deadline passed long before":  {ignoresCancel(time.Minute), -time.Minute, 100 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs engine.Runs
				one := runOne(t, &runs, t.Context(), inbox.Policy{DrainTimeout: 10 * time.Second}, c.callback)
				two := runOne(t, &runs, t.Context(), inbox.Policy{DrainTimeout: 10 * time.Second}, c.callback)
				began := time.Now()
				ctx, cancel := context.WithDeadline(t.Context(), began.Add(c.deadline))
				defer cancel()
				err := runs.Shutdown(ctx)
				require.Equal(t, c.want, time.Since(began), "both Runs share the deadline")
				for _, returned := range []<-chan error{one, two} {
					require.Equal(t, c.left, <-returned != nil)
				}
				var left *inbox.DrainError
				require.Equal(t, c.left, err != nil)
				if c.left {
					require.ErrorAs(t, err, &left)
				}
				_, _, err = runs.Begin(t.Context(), inbox.Policy{}, acme(handled))
				require.ErrorIs(t, err, inbox.ErrShutdown)
				require.NoError(t, runs.Shutdown(ctx), "nothing is left to be shut down")
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestRuns_ShutdownChangesADrain(t *testing.T) {
	for name, c := range map[string]struct{ drainTimeout, drained, deadline time.Duration }{
		"shorter": {10 * time.Second, 2 * time.Second, 3 * time.Second},
		"longer":  {2 * time.Second, time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs engine.Runs
				ctx, cancel := context.WithCancel(t.Context())
				returned := runOne(t, &runs, ctx, inbox.Policy{DrainTimeout: c.drainTimeout}, takes(time.Minute))
				cancel()
				time.Sleep(c.drained)
				began := time.Now()
				limited, stop := context.WithTimeout(t.Context(), c.deadline)
				defer stop()
				require.NoError(t, runs.Shutdown(limited))
				require.Equal(t, c.deadline, time.Since(began))
				require.NoError(t, <-returned)
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestRuns_CloseKeepsTheDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs engine.Runs
		returned := runOne(t, &runs, t.Context(), inbox.Policy{DrainTimeout: 10 * time.Second}, takes(time.Minute))
		began := time.Now()
		runs.Close()
		require.Equal(t, 10*time.Second, time.Since(began))
		require.NoError(t, <-returned)
	})
}

func TestDrain_CountsFromContextEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := engine.WithDefaults(inbox.Policy{Logger: slog.New(slog.DiscardHandler), DrainTimeout: 10 * time.Second})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		d, err := engine.NewDispatcher(ctx, p, acme(takes(time.Minute)))
		require.NoError(t, err)
		begin(t, d, delivery("a"), nothing)
		cancel()
		began := time.Now()
		time.Sleep(4 * time.Second) // the engine gives back deliveries before Drain
		require.NoError(t, d.Drain())
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}
