package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

func deadLetter(id string) inbox.Entry {
	return inbox.Entry{ID: id, State: inbox.DeadLettered, Delivery: delivery(id), Attempts: []inbox.Attempt{counted(1), counted(2)}}
}

// alerts records the calls of OnDeadLetter, by the ID of the entry.
type alerts struct {
	mu            sync.Mutex
	called        []string
	running, peak int
}

// during returns an OnDeadLetter that records the call and calls f.
func (a *alerts) during(f func(ctx context.Context)) func(context.Context, inbox.Entry) {
	return func(ctx context.Context, e inbox.Entry) {
		a.mu.Lock()
		a.called = append(a.called, e.ID)
		a.running++
		a.peak = max(a.peak, a.running)
		a.mu.Unlock()
		defer func() {
			a.mu.Lock()
			a.running--
			a.mu.Unlock()
		}()
		f(ctx)
	}
}

// ids returns the IDs of the entries that OnDeadLetter was called for.
func (a *alerts) ids() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.called)
}

// most returns the highest number of calls that ran at the same time.
func (a *alerts) most() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peak
}

func lasts(d time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

func TestAlerter_LogsAndCallsOnDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a alerts
		var got inbox.Entry
		onDead := a.during(func(context.Context) {})
		d, log := newDispatcher(t, inbox.Policy{OnDeadLetter: func(ctx context.Context, e inbox.Entry) { got = e; onDead(ctx, e) }}, acme(handled))
		d.DeadLetter(deadLetter("17"))
		require.NoError(t, d.Drain())
		require.Equal(t, deadLetter("17"), got)
		lines := log.lines(t, slog.LevelError)
		require.Len(t, lines, 1)
		for name, want := range map[string]any{
			"msg": "inbox: a delivery has become a dead letter", "vendor": "acme", "endpoint": "default", "type": "ping", "id": "17",
			"entry": "17", "attempts": 2.0, "error": "failure 2",
		} {
			require.Equal(t, want, lines[0][name])
		}
	})
}

func TestAlerter_NeedsNoOnDead(t *testing.T) {
	d, log := newDispatcher(t, inbox.Policy{}, acme(handled))
	d.DeadLetter(deadLetter("a"))
	require.Len(t, log.lines(t, slog.LevelError), 1)
}

func TestAlerter_LeavesCallbackSlotsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a alerts
		var d *engine.Dispatcher
		d, _ = newDispatcher(t, inbox.Policy{Concurrency: 2, OnDeadLetter: a.during(lasts(50 * time.Second))},
			acme(returns(webhook.Result{Outcome: webhook.DeadLettered})))
		settle := func(id string) func(engine.Decision) { return func(engine.Decision) { d.DeadLetter(deadLetter(id)) } }
		for i := range 10 {
			began := time.Now()
			id := fmt.Sprint(i)
			begin(t, d, delivery(id), settle(id))
			<-d.Freed()
			require.Zero(t, time.Since(began))
		}
		time.Sleep(10 * time.Minute)
		require.Len(t, a.ids(), 10)
		require.Equal(t, engine.MaxAlerts, a.most())
		require.NoError(t, d.Drain())
	})
}

func TestAlerter_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a alerts
		d, log := newDispatcher(t, inbox.Policy{OnDeadLetter: a.during(lasts(time.Second))}, acme(handled))
		const all = engine.MaxAlerts + engine.MaxAlertsWaiting
		for i := range all + 3 {
			d.DeadLetter(deadLetter(fmt.Sprint(i)))
		}
		time.Sleep(time.Hour)
		require.Len(t, a.ids(), all)
		require.Equal(t, 3, log.Count("too many dead letters wait"))
		require.Equal(t, all+3, log.Count("has become a dead letter"))
		require.NoError(t, d.Drain())
	})
}

func TestAlerter_SurvivesOnDead(t *testing.T) {
	for name, c := range map[string]struct {
		f     func(context.Context)
		lines int // at Error, for each call
	}{
		"panic":               {func(context.Context) { panic("boom") }, 2},
		"end of goroutine":    {func(context.Context) { runtime.Goexit() }, 1},
		"hangs until the end": {func(ctx context.Context) { <-ctx.Done() }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a alerts
				d, log := newDispatcher(t, inbox.Policy{OnDeadLetter: a.during(c.f)}, acme(handled))
				const n = 3 * engine.MaxAlerts
				for i := range n {
					d.DeadLetter(deadLetter(fmt.Sprint(i)))
				}
				time.Sleep(3*engine.AlertTimeout + time.Second)
				require.Len(t, a.ids(), n)
				require.Len(t, log.lines(t, slog.LevelError), c.lines*n)
				require.Equal(t, (c.lines-1)*n, log.Count("Policy.OnDeadLetter panicked", "boom", "alerter_test.go"))
				require.NoError(t, d.Drain())
			})
		})
	}
}

func TestDrain_WaitsForOnDead(t *testing.T) {
	for name, c := range map[string]struct {
		lasts, want time.Duration
		calls       int
		notCalled   int
		hangs       bool
	}{
		"in time":               {lasts: 3 * time.Second, want: 6 * time.Second, calls: 8},
		"canceled":              {lasts: 20 * time.Second, want: 10 * time.Second, calls: 4, notCalled: 4},
		"ignores its context":   {lasts: 20 * time.Second, want: 11 * time.Second, calls: 4, notCalled: 4, hangs: true},
		"second calls canceled": {lasts: 7 * time.Second, want: 10 * time.Second, calls: 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a alerts
				f := lasts(c.lasts)
				if c.hangs {
					f = func(context.Context) { time.Sleep(c.lasts) }
				}
				d, log := newDispatcher(t, inbox.Policy{DrainTimeout: 10 * time.Second, OnDeadLetter: a.during(f)}, acme(handled))
				for i := range 8 {
					d.DeadLetter(deadLetter(fmt.Sprint(i)))
				}
				began := time.Now()
				require.NoError(t, d.Drain(), "no callback is left")
				require.Equal(t, c.want, time.Since(began))
				require.Len(t, slices.Compact(slices.Sorted(slices.Values(a.ids()))), c.calls)
				require.Equal(t, c.notCalled, log.Count("is not called", "shutting down"))
				d.DeadLetter(deadLetter("late"))
				require.Equal(t, c.notCalled+1, log.Count("is not called", "shutting down"))
				time.Sleep(time.Minute)
				require.Len(t, a.ids(), c.calls)
			})
		})
	}
}

func TestOnDead_GetsValuesOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var value any
		p, err := engine.WithDefaults(inbox.Policy{
			Logger:       slog.New(slog.DiscardHandler),
			OnDeadLetter: func(ctx context.Context, _ inbox.Entry) { time.Sleep(time.Second); value = ctx.Value(contextKey{}) },
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "a value"))
		d, err := engine.NewDispatcher(ctx, p, acme(handled))
		require.NoError(t, err)
		d.DeadLetter(deadLetter("a"))
		cancel()
		require.NoError(t, d.Drain())
		require.Equal(t, "a value", value)
	})
}
