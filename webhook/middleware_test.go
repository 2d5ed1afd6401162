package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// passes is a Middleware that only calls next.
func passes(ctx context.Context, _ *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
	return next(ctx)
}

type orderKey struct{}

func TestMiddleware_RunsInOrderAroundBeforeAndCallback(t *testing.T) {
	var order []string
	named := func(name string) webhook.Middleware {
		return func(ctx context.Context, d *webhook.Delivery, event webhook.AnyEvent, next func(context.Context) error) error {
			order = append(order, name)
			require.Equal(t, 7, event.(*Ping).N)
			require.Same(t, d, event.(*Ping).Delivery())
			require.Equal(t, 1, d.Attempt)
			defer func() { order = append(order, "end of "+name) }()
			return next(context.WithValue(ctx, orderKey{}, fmt.Sprint(ctx.Value(orderKey{}), " ", name)))
		}
	}
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{named("first"), named("second")}})
	r.Before(func(ctx context.Context, _ *webhook.Delivery) error {
		order = append(order, fmt.Sprint("Before: ", ctx.Value(orderKey{})))
		return nil
	})
	ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
		order = append(order, fmt.Sprint("callback: ", ctx.Value(orderKey{})))
		return nil
	})
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
	require.Equal(t, []string{
		"first", "second", "Before: <nil> first second", "callback: <nil> first second", "end of second", "end of first",
	}, order)
}

func TestMiddleware_RunsForStoredDeliveries(t *testing.T) {
	var runs []bool
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
		func(ctx context.Context, _ *webhook.Delivery, event webhook.AnyEvent, next func(context.Context) error) error {
			err := next(ctx)
			runs = append(runs, event != nil && err == nil)
			return err
		},
	}})
	ping.On(r.Handler, returns(nil))
	d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: "a", Keys: []string{keyOf("a")}, Body: body("a")}
	require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), d).Outcome)
	require.Equal(t, webhook.Duplicate, r.Redeliver(t.Context(), d).Outcome)
	require.Equal(t, []bool{true}, runs)
}

// Each error has the effect that it has from a callback.
func TestMiddleware_ErrorHasEffectOfCallbacksError(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":     func() error { return errors.New("no") },
		"permanent": func() error { return webhook.Permanent(errors.New("no")) },
		"ignore":    func() error { return webhook.Ignore("not ours") },
		"retry":     func() error { return webhook.RetryAfter(time.Minute, errors.New("no")) },
		"panic":     func() error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			deliver := func(o webhook.Options, callback func() error) (httpResponse, webhook.Observation, string) {
				r := newReceiver(t, o)
				ping.On(r.Handler, func(context.Context, *Ping) error { return callback() })
				response := r.deliver(body("a"))
				return response, r.observations()[0], r.keyState("a")
			}
			fromCallback, want, wantState := deliver(webhook.Options{}, fail)
			ran := false
			fromMiddleware, got, state := deliver(webhook.Options{Middleware: []webhook.Middleware{
				passes,
				func(context.Context, *webhook.Delivery, webhook.AnyEvent, func(context.Context) error) error {
					return fail()
				},
			}}, func() error { ran = true; return nil })
			require.False(t, ran)
			require.Equal(t, fromCallback, fromMiddleware)
			require.Equal(t, []any{want.Outcome, want.Reason, want.Status}, []any{got.Outcome, got.Reason, got.Status})
			require.Equal(t, wantState, state)
		})
	}
}

func TestMiddleware_SeesAndMayReplaceCallbacksError(t *testing.T) {
	cause := errors.New("the database is down")
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
		func(ctx context.Context, _ *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
			err := next(ctx)
			require.ErrorIs(t, err, cause)
			return webhook.Ignore("handled elsewhere")
		},
	}})
	ping.On(r.Handler, returns(cause))
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
	require.Equal(t, webhook.Ignored, r.observations()[0].Outcome)
}

// A body that does not fit is a dead letter, also if a middleware has wrapped the reason.
func TestMiddleware_GetsNoEventIfBodyDoesNotFit(t *testing.T) {
	misfit := []byte(fmt.Sprintf(`{"type":"ping","id":"a","time":%d,"data":"text"}`, time.Now().Unix()))
	for name, wrap := range map[string]func(error) error{
		"as it is": func(err error) error { return err },
		"wrapped":  func(err error) error { return fmt.Errorf("in the middleware: %w", err) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{
				DeadLetter: func(context.Context, *webhook.Delivery, error) error { return nil },
				Middleware: []webhook.Middleware{
					func(ctx context.Context, d *webhook.Delivery, event webhook.AnyEvent, next func(context.Context) error) error {
						require.Nil(t, event)
						require.Equal(t, "ping", d.Type)
						return wrap(next(ctx))
					},
				},
			})
			ping.On(r.Handler, returns(nil))
			require.Equal(t, http.StatusOK, r.deliver(misfit).status)
			o := r.observations()[0]
			require.Equal(t, webhook.DeadLettered, o.Outcome)
			require.Equal(t, webhook.ReasonUndecodable, o.Reason)
			require.ErrorContains(t, o.Err, "does not fit the type")
		})
	}
}

func TestMiddleware_RunsForTypesWithoutCallback(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*receiver)
		runs     int
		want     webhook.Outcome
	}{
		"nothing registered": {func(*receiver) {}, 0, webhook.Unhandled},
		"Before": {func(r *receiver) {
			r.Before(func(context.Context, *webhook.Delivery) error { return nil })
		}, 1, webhook.Unhandled},
		"OnUnhandled": {func(r *receiver) {
			r.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
		}, 1, webhook.Handled},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
				func(ctx context.Context, _ *webhook.Delivery, event webhook.AnyEvent, next func(context.Context) error) error {
					runs++
					require.Nil(t, event)
					return next(ctx)
				},
			}})
			c.register(r)
			require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
			require.Equal(t, c.runs, runs)
			require.Equal(t, c.want, r.observations()[0].Outcome)
		})
	}
}

func TestMiddleware_WithoutNextCountsAsHandled(t *testing.T) {
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
		func(context.Context, *webhook.Delivery, webhook.AnyEvent, func(context.Context) error) error {
			return nil
		},
	}})
	ping.On(r.Handler, func(context.Context, *Ping) error {
		t.Error("the callback ran")
		return nil
	})
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
	require.Equal(t, webhook.Handled, r.observations()[0].Outcome)
	require.Equal(t, "completed", r.keyState("a"))
}

func TestMiddleware_NextRunsOnce(t *testing.T) {
	runs := 0
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
		func(ctx context.Context, _ *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
			require.NoError(t, next(ctx))
			return next(ctx)
		},
	}})
	ping.On(r.Handler, func(context.Context, *Ping) error { runs++; return nil })
	require.Equal(t, http.StatusInternalServerError, r.deliver(body("a")).status)
	require.Equal(t, 1, runs)
	require.EqualError(t, r.observations()[0].Err, "webhook: a Middleware must call next at most once")
}

// After the run, the delivery's keys may belong to another one.
func TestMiddleware_NextDoesNotRunAfterTheRun(t *testing.T) {
	var late func() error
	r := newReceiver(t, webhook.Options{Middleware: []webhook.Middleware{
		func(ctx context.Context, _ *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
			late = func() error { return next(context.WithoutCancel(ctx)) }
			return errors.New("not now")
		},
	}})
	ping.On(r.Handler, func(context.Context, *Ping) error {
		t.Error("the callback ran")
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, r.deliver(body("a")).status)
	require.ErrorIs(t, late(), context.Canceled)
}

func TestMiddleware_ListIsCopied(t *testing.T) {
	all := []webhook.Middleware{passes}
	r := newReceiver(t, webhook.Options{Middleware: all})
	all[0] = nil
	ping.On(r.Handler, returns(nil))
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
}
