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

func policy(t *testing.T, p inbox.Policy) inbox.Policy {
	t.Helper()
	p.Logger = slog.New(slog.DiscardHandler)
	p, err := engine.WithDefaults(p)
	require.NoError(t, err)
	return p
}

func TestRuns_AddRefusesSecondHandler(t *testing.T) {
	one, eu := acme(handled), &handler{"acme", "eu", handled}
	var runs engine.Runs
	_, _, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.ErrorContains(t, err, "at least one handler")
	d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}), one)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		handlers []inbox.Handler
		text     string
	}{
		"one that Run has": {[]inbox.Handler{eu, acme(handled)}, "a handler for acme/default already"},
		"the same twice":   {[]inbox.Handler{eu, eu}, "a handler for acme/eu already"},
		"nil":              {[]inbox.Handler{eu, nil}, "handler 2 given to Add is nil"},
	} {
		require.ErrorContains(t, runs.Add(c.handlers...), c.text, name)
		require.Len(t, d.Handlers(), 1, "none of them is added")
	}
	require.NoError(t, runs.Add(eu))
	require.ErrorContains(t, runs.Add(eu), "already")
	require.ElementsMatch(t, []inbox.Handler{one, eu}, d.Handlers())
	_, _, err = runs.Begin(t.Context(), policy(t, inbox.Policy{}), &handler{"acme", "eu", handled})
	require.ErrorContains(t, err, "two handlers")
	end()
	require.NoError(t, runs.Add(acme(handled)), "the Run that had one has ended")
}

func TestRuns_LaterRunsHaveWhatWasAdded(t *testing.T) {
	var runs engine.Runs
	require.NoError(t, runs.Add())
	d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.NoError(t, err)
	defer end()
	require.Empty(t, d.Handlers())
	require.Zero(t, d.Reserve("acme", "default", 1))
	one := acme(handled)
	require.NoError(t, runs.Add(one))
	<-d.Changed()
	require.Equal(t, 1, d.Reserve("acme", "default", 1))
	later, endLater, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.NoError(t, err)
	defer endLater()
	require.Equal(t, []inbox.Handler{one}, later.Handlers())
	runs.Remove(one, &handler{"acme", "unknown", handled})
	require.Empty(t, later.Handlers())
	require.Empty(t, d.Handlers())
}

func TestRuns_RemovedHandlerRunsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs engine.Runs
		called := 0
		one := acme(func(context.Context, *webhook.Delivery) webhook.Result {
			called++
			time.Sleep(time.Second)
			return webhook.Result{Outcome: webhook.Handled}
		})
		d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{MaxAttempts: 1}), one)
		require.NoError(t, err)
		defer end()
		var running, late engine.Decision
		begin(t, d, delivery("running"), func(decision engine.Decision) { running = decision })
		synctest.Wait()
		require.Equal(t, 1, d.Reserve("acme", "default", 1), "the engine took a delivery just before")
		runs.Remove(one)
		d.Go(delivery("late"), 1, func(decision engine.Decision) { late = decision })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, engine.Complete, running.Disposition)
		require.Equal(t, 1, called)
		require.Equal(t, engine.Retry, late.Disposition, "it is neither deferred nor dead-lettered")
		require.False(t, late.Attempt.Counted)
		require.Zero(t, d.Reserve("acme", "default", 1))

		require.NoError(t, runs.Add(acme(handled)))
		var again engine.Decision
		begin(t, d, delivery("again"), func(decision engine.Decision) { again = decision })
		synctest.Wait()
		require.Equal(t, engine.Complete, again.Disposition)
	})
}
