package engine_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// Every vendor's handler implements inbox.Handler.
var _ inbox.Handler = (*webhook.Handler)(nil)

func TestHooksThatCannotBeToldApartAreRefused(t *testing.T) {
	p, err := engine.WithDefaults(inbox.Policy{})
	require.NoError(t, err)
	one, eu := acme(handled), &handler{"acme", "eu", handled}
	for text, handlers := range map[string][]inbox.Handler{
		"inbox: Run must get at least one handler, unless Add was called before":                     {},
		"inbox: handler 2 given to Run is nil":                                                       {one, nil},
		"inbox: two handlers given to Run are for acme/default; give them different Config.Endpoint": {one, eu, acme(handled)},
	} {
		_, err := engine.NewDispatcher(t.Context(), p, handlers...)
		require.EqualError(t, err, text)
	}
	_, err = engine.NewDispatcher(t.Context(), p, everywhere()...)
	require.NoError(t, err)
}

func TestADeliveryGoesToTheHookThatItIsFor(t *testing.T) {
	got := make(map[string]*webhook.Delivery)
	var handlers []inbox.Handler
	for _, name := range []string{"default", "eu"} {
		handlers = append(handlers, &handler{"acme", name, func(_ context.Context, d *webhook.Delivery) webhook.Result {
			got[name] = d
			return webhook.Result{Outcome: webhook.Handled}
		}})
	}
	d, log := newDispatcher(t, inbox.Policy{}, handlers...)
	given := delivery("a")
	given.Endpoint = "eu"
	require.Equal(t, engine.Complete, d.Dispatch(t.Context(), given, 1).Disposition)
	require.Equal(t, map[string]*webhook.Delivery{"eu": given}, got)
	require.Empty(t, log.lines(t, slog.LevelWarn))
}

func TestADeliveryWithoutHookIsShelvedWithOneWarningForEachType(t *testing.T) {
	d, log := newDispatcher(t, inbox.Policy{}, acme(handled))
	for _, eventType := range []string{"ping", "pong", "ping", ""} {
		given := delivery("a")
		given.Vendor, given.Type = "emca", eventType
		decision := d.Dispatch(t.Context(), given, 1)
		require.Equal(t, engine.Defer, decision.Disposition)
		require.Equal(t, webhook.Unhandled, decision.Attempt.Outcome)
		require.Equal(t, webhook.ReasonNoCallback, decision.Attempt.Reason)
		require.False(t, decision.Attempt.Counted)
	}
	warnings := log.lines(t, slog.LevelWarn)
	require.Len(t, warnings, 3)
	require.Equal(t, []any{"emca", "default", "ping"}, []any{warnings[0]["vendor"], warnings[0]["endpoint"], warnings[0]["type"]})
	require.Contains(t, warnings[0]["msg"], "stays in the inbox")
}

func TestOfManyDeliveriesWithoutCallbackOneIsWarnedAbout(t *testing.T) {
	d, log := newDispatcher(t, inbox.Policy{}, acme(returns(webhook.Result{Outcome: webhook.Unhandled})))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { d.Dispatch(t.Context(), delivery("a"), 1) })
	}
	all.Wait()
	require.Len(t, log.lines(t, slog.LevelWarn), 1)
}

func TestDeliveriesWhoseHookIsAbsentAreWarnedAboutOnce(t *testing.T) {
	d, log := newDispatcher(t, inbox.Policy{}, acme(handled))
	for range 3 {
		d.Absent("acme", "default")
		d.Absent("acme", "eu")
		d.Absent("emca", "default")
	}
	warnings := log.lines(t, slog.LevelWarn)
	require.Len(t, warnings, 2)
	require.Equal(t, []any{"acme", "eu"}, []any{warnings[0]["vendor"], warnings[0]["endpoint"]})
	require.Equal(t, []any{"emca", "default"}, []any{warnings[1]["vendor"], warnings[1]["endpoint"]})
}

type contextKey struct{}

func TestValuesOfTheRunReachItsCallbacksAndItsEndDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := engine.WithDefaults(inbox.Policy{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "a value"))
		var value any
		var ended error
		d, err := engine.NewDispatcher(ctx, p, acme(func(ctx context.Context, _ *webhook.Delivery) webhook.Result {
			time.Sleep(2 * time.Second)
			value, ended = ctx.Value(contextKey{}), ctx.Err()
			return webhook.Result{Outcome: webhook.Failed}
		}))
		require.NoError(t, err)
		var got engine.Decision
		begin(t, d, delivery("a"), func(decision engine.Decision) { got = decision })
		time.Sleep(time.Second)
		cancel()
		require.NoError(t, d.Drain())
		require.Equal(t, "a value", value)
		require.NoError(t, ended)
		require.True(t, got.Attempt.Counted, "the Run did not cancel it")
	})
}
