package webhook_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

// processUntil processes a body with a context that ends after d, like that of a disconnected sender.
func processUntil(r *receiver, d time.Duration, b []byte) webhook.Result {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	time.AfterFunc(d, cancel)
	request := r.signed(b)
	return r.Process(ctx, webhook.Request{Header: request.Header, Body: bytes.NewReader(b)})
}

// A disconnect must not cancel Enqueue, because the sender may count the delivery as sent.
func TestEnqueue_SurvivesADisconnect(t *testing.T) {
	for name, after := range map[string]time.Duration{"before": 0, "meanwhile": 400 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stored := false
				r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(ctx context.Context, d *webhook.Delivery) (bool, error) {
					select {
					case <-ctx.Done():
						return false, ctx.Err()
					case <-time.After(800 * time.Millisecond):
						stored = true
						return false, nil
					}
				})})
				result := processUntil(r, after, body("a"))
				require.Equal(t, webhook.Stored, result.Outcome)
				require.True(t, stored)
				require.Zero(t, r.observations()[0].Status, "the sender has disconnected")
			})
		})
	}
}

func TestEnqueue_EndsAtTheStoreTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{StoreTimeout: webhook.DefaultStoreTimeout, Inbox: inboxFunc(func(ctx context.Context, _ *webhook.Delivery) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})})
		start := time.Now()
		require.Equal(t, webhook.Unavailable, processUntil(r, 0, body("a")).Outcome)
		require.Equal(t, webhook.DefaultStoreTimeout, time.Since(start))
	})
}

// A DeadLetter that hangs keeps the delivery only until its lease ends.
func TestDeadLetter_ThatHangsEndsWithTheLease(t *testing.T) {
	const lease = webhook.DefaultCallbackTimeout + 10*time.Second
	for name, hang := range map[string]func(context.Context) error{
		"deaf to its context": func(context.Context) error { time.Sleep(time.Hour); return nil },
		"until it ends":       func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{DeadLetter: func(ctx context.Context, _ *webhook.Delivery, _ error) error {
					return hang(ctx)
				}})
				ping.On(r.Handler, returns(webhook.Permanent(errCallback)))
				start := time.Now()
				require.Equal(t, webhook.ReasonOverrun, r.process(body("a")).Reason)
				require.NoError(t, r.Shutdown(t.Context()))
				require.Equal(t, lease, time.Since(start))
				late := r.observations()[1]
				require.Equal(t, webhook.Failed, late.Outcome)
				require.Equal(t, webhook.ReasonDeadLetterFailed, late.Reason)
				require.True(t, late.Late)
				require.ErrorIs(t, late.Err, context.DeadlineExceeded)
				require.ErrorIs(t, late.Err, errCallback)
				require.ErrorContains(t, late.Err, "Options.DeadLetter")
				require.Equal(t, "released", r.keyState("a"))
				time.Sleep(time.Hour)
			})
			synctest.Test(t, func(t *testing.T) { // the slot must be free
				var healed atomic.Bool
				r := newReceiver(t, webhook.Options{MaxRunning: 1, DeadLetter: func(ctx context.Context, _ *webhook.Delivery, _ error) error {
					if healed.Load() {
						return nil
					}
					return hang(ctx)
				}})
				ping.On(r.Handler, returns(webhook.Permanent(errCallback)))
				r.process(body("a"))
				require.Equal(t, webhook.ReasonRunning, r.process(body("b")).Reason)
				time.Sleep(lease)
				healed.Store(true)
				require.Equal(t, webhook.DeadLettered, r.process(body("b")).Outcome)
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestDeadLetter_SurvivesADisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{DeadLetter: func(ctx context.Context, d *webhook.Delivery, _ error) error {
			claims, ok := idempotency.ClaimsFromContext(ctx)
			require.True(t, ok)
			require.Equal(t, d.Keys, claims.Keys)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}})
		ping.On(r.Handler, returns(webhook.Permanent(errCallback)))
		require.Equal(t, webhook.DeadLettered, processUntil(r, 500*time.Millisecond, body("a")).Outcome)
		require.Equal(t, "completed", r.keyState("a"))
	})
}
