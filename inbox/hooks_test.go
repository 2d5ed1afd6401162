package inbox_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

func policy(t *testing.T, p inbox.Policy) inbox.Policy {
	t.Helper()
	p.Logger = slog.New(slog.DiscardHandler)
	p, err := p.WithDefaults()
	require.NoError(t, err)
	return p
}

func TestRuns_AddRefusesSecondHandler(t *testing.T) {
	one, eu := acme(handled), &hook{"acme", "eu", handled}
	var runs inbox.Runs
	_, _, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.ErrorContains(t, err, "at least one handler")
	d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}), one)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		hooks []inbox.Hook
		text  string
	}{
		"one that Run was given": {[]inbox.Hook{eu, acme(handled)}, "a handler for acme/default already"},
		"the same twice":         {[]inbox.Hook{eu, eu}, "a handler for acme/eu already"},
		"nil":                    {[]inbox.Hook{eu, nil}, "handler 2 given to Add is nil"},
	} {
		require.ErrorContains(t, runs.Add(c.hooks...), c.text, name)
		require.Len(t, d.Hooks(), 1, "none of them is added")
	}
	require.NoError(t, runs.Add(eu))
	require.ErrorContains(t, runs.Add(eu), "already")
	require.ElementsMatch(t, []inbox.Hook{one, eu}, d.Hooks())
	_, _, err = runs.Begin(t.Context(), policy(t, inbox.Policy{}), &hook{"acme", "eu", handled})
	require.ErrorContains(t, err, "two handlers")
	end()
	require.NoError(t, runs.Add(acme(handled)), "the Run that had one has ended")
}

func TestRuns_LaterRunsHaveWhatWasAdded(t *testing.T) {
	var runs inbox.Runs
	require.NoError(t, runs.Add())
	d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.NoError(t, err)
	defer end()
	require.Empty(t, d.Hooks())
	require.Zero(t, d.Reserve("acme", "default", 1))
	one := acme(handled)
	require.NoError(t, runs.Add(one))
	<-d.Changed()
	require.Equal(t, 1, d.Reserve("acme", "default", 1))
	later, endLater, err := runs.Begin(t.Context(), policy(t, inbox.Policy{}))
	require.NoError(t, err)
	defer endLater()
	require.Equal(t, []inbox.Hook{one}, later.Hooks())
	runs.Remove(one, &hook{"acme", "unknown", handled})
	require.Empty(t, later.Hooks())
	require.Empty(t, d.Hooks())
}

func TestRuns_RemovedHandlerRunsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs inbox.Runs
		called := 0
		one := acme(func(context.Context, *webhook.Delivery) webhook.Result {
			called++
			time.Sleep(time.Second)
			return webhook.Result{Outcome: webhook.Handled}
		})
		d, end, err := runs.Begin(t.Context(), policy(t, inbox.Policy{MaxAttempts: 1}), one)
		require.NoError(t, err)
		defer end()
		var running, late inbox.Decision
		begin(t, d, delivery("running"), func(decision inbox.Decision) { running = decision })
		synctest.Wait()
		require.Equal(t, 1, d.Reserve("acme", "default", 1), "taken by the engine just before")
		runs.Remove(one)
		d.Go(delivery("late"), 1, func(decision inbox.Decision) { late = decision })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, inbox.Finish, running.Verdict)
		require.Equal(t, 1, called)
		require.Equal(t, inbox.Again, late.Verdict, "it is neither shelved nor dead")
		require.False(t, late.Attempt.Counted)
		require.Zero(t, d.Reserve("acme", "default", 1))

		require.NoError(t, runs.Add(acme(handled)))
		var again inbox.Decision
		begin(t, d, delivery("again"), func(decision inbox.Decision) { again = decision })
		synctest.Wait()
		require.Equal(t, inbox.Finish, again.Verdict)
	})
}
