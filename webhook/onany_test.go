package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The contract is the same with a Before that returns nil.
func TestBefore_ChangesNoContractRow(t *testing.T) {
	for _, way := range []string{"ServeHTTP", "Process"} {
		for _, row := range webhook.Contract() {
			t.Run(way+"/"+row.What, func(t *testing.T) {
				c := contractCases[row.What]
				before := c.before
				c.before = func(t *testing.T, r *receiver) {
					if row.What != "no callback for the type, and Before has run" {
						r.Before(func(context.Context, *webhook.Delivery) error { return nil })
					}
					if before != nil {
						before(t, r)
					}
				}
				if row.What == "no callback for the type, or an unknown type" {
					row.Key = "released"
				}
				synctest.Test(t, func(t *testing.T) { c.check(t, row, way == "ServeHTTP") })
			})
		}
	}
}

func unknown(id string) []byte {
	return []byte(strings.Replace(string(body(id)), `"ping"`, `"invented"`, 1))
}

func TestBefore_SeesUnhandledEachTime(t *testing.T) {
	for eventType, reason := range map[string]webhook.Reason{"invented": webhook.ReasonUnknownType, "pong": webhook.ReasonNoCallback} {
		t.Run(eventType, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			var seen []string
			r.Before(func(_ context.Context, d *webhook.Delivery) error {
				seen = append(seen, fmt.Sprint(d.Type, d.Attempt))
				return nil
			})
			require.False(t, r.Handles(eventType))
			b := []byte(strings.Replace(string(body("a")), `"ping"`, `"`+eventType+`"`, 1))
			for range 4 { // more than the vendor's attempts
				got := r.deliver(b)
				require.Equal(t, http.StatusOK, got.status)
				require.Equal(t, bodyDone, got.body)
			}
			require.Equal(t, []string{eventType + "1", eventType + "2", eventType + "3", eventType + "4"}, seen)
			for _, o := range r.observations() {
				require.Equal(t, webhook.Unhandled, o.Outcome)
				require.Equal(t, reason, o.Reason)
				require.NoError(t, o.Err)
			}
			require.Equal(t, 1, r.log.Count(`"level":"WARN"`, `"outcome":"unhandled"`), "the line must be the same as without Before")
			require.Equal(t, 3, r.log.Count(`"level":"DEBUG"`, `"outcome":"unhandled"`))
		})
	}
}

// With an inbox, the delivery waits until a callback for its type is registered.
func TestBefore_LeavesUnhandledForLaterRelease(t *testing.T) {
	store, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	d := stored(t, "a")
	old := newReceiver(t, webhook.Options{Store: store})
	seen := 0
	observe := func(context.Context, *webhook.Delivery) error { seen++; return nil }
	old.Before(observe)
	require.Equal(t, webhook.Unhandled, old.Redeliver(t.Context(), d).Outcome)

	next := newReceiver(t, webhook.Options{Store: store})
	next.Before(observe)
	ran := 0
	ping.On(next.Handler, func(context.Context, *Ping) error { ran++; return nil })
	require.Equal(t, webhook.Handled, next.Redeliver(t.Context(), d).Outcome)
	require.Equal(t, webhook.Duplicate, next.Redeliver(t.Context(), d).Outcome)
	require.Equal(t, 1, ran)
	require.Equal(t, 2, seen)
}

// An error of Before decides the outcome, with and without a callback. The callback does not run.
// A vendor without a window needs no time.
func TestBefore_SeesUnhandledWithoutTimeIfNoneIsNeeded(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window, p.Envelope.Time = 0, nil })
	seen := 0
	r.Before(func(context.Context, *webhook.Delivery) error { seen++; return nil })
	require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"strange","id":"1"}`)).status)
	require.Equal(t, 1, seen)
}

func TestBefore_DeterminesOutcomeByError(t *testing.T) {
	for name, c := range map[string]struct {
		hook    func(context.Context, *webhook.Delivery) error
		outcome webhook.Outcome
		status  int
	}{
		"error":     {func(context.Context, *webhook.Delivery) error { return errCallback }, webhook.Failed, 500},
		"retry":     {func(context.Context, *webhook.Delivery) error { return webhook.RetryAfter(time.Second, nil) }, retryLater, 503},
		"permanent": {func(context.Context, *webhook.Delivery) error { return webhook.Permanent(nil) }, webhook.Dropped, 200},
		"ignore":    {func(context.Context, *webhook.Delivery) error { return webhook.Ignore("a filter") }, webhook.Ignored, 200},
		"panic":     {func(context.Context, *webhook.Delivery) error { panic("audit") }, panicked, 500},
	} {
		for _, b := range [][]byte{body("a"), unknown("a")} {
			t.Run(name, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				r.Before(c.hook)
				ping.On(r.Handler, func(context.Context, *Ping) error { panic("not run") })
				require.Equal(t, c.status, r.deliver(b).status)
				o := r.observations()[0]
				require.Equal(t, c.outcome, as(c.outcome, o.Outcome, o.Reason))
			})
		}
	}
}

// Otherwise a replay without a checked time could run Before repeatedly.
func TestBefore_SeesNoUnhandledWithoutTime(t *testing.T) {
	for _, eventType := range []string{"pong", "invented"} {
		r := newReceiver(t, webhook.Options{})
		r.Before(func(context.Context, *webhook.Delivery) error { panic("run") })
		require.Equal(t, http.StatusOK, r.deliver([]byte(`{"type":"`+eventType+`","id":"a"}`)).status)
		require.Equal(t, webhook.Unhandled, r.observations()[0].Outcome)
		require.Equal(t, "none", r.keyState("a"))
	}
}
