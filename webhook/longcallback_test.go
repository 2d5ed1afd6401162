package webhook_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A renewingStore is a store of one process on a memory that several processes share. Its renewals can fail.
type renewingStore struct {
	*idempotency.Memory
	down     atomic.Bool
	renewals atomic.Int64
	lease    atomic.Int64 // of the last claim
}

func (s *renewingStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	s.lease.Store(int64(lease))
	return s.Memory.Claim(ctx, key, token, lease)
}

func (s *renewingStore) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	if s.down.Load() {
		return errors.New("the database is down")
	}
	s.renewals.Add(1)
	return s.Memory.Renew(ctx, key, token, lease)
}

// twoProcesses returns the handlers of two processes that share a memory, and the store of the first.
func twoProcesses(t *testing.T, timeout time.Duration) (first, second *receiver, store *renewingStore) {
	t.Helper()
	memory, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	days := func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window, p.GiveUpAfter = 24*time.Hour, 0 }
	store = &renewingStore{Memory: memory}
	first = newReceiver(t, webhook.Options{Store: store, CallbackTimeout: timeout}, days)
	second = newReceiver(t, webhook.Options{Store: memory, CallbackTimeout: timeout}, days)
	return first, second, store
}

func TestLongCallback_RunsInOneProcessForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, store := twoProcesses(t, 3*time.Hour)
		ping.On(first.Handler, func(ctx context.Context, _ *Ping) error {
			select {
			case <-time.After(2 * time.Hour):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		ping.On(second.Handler, func(context.Context, *Ping) error { panic("the first process runs it") })
		b := body("a")
		require.Equal(t, webhook.ReasonOverrun, first.process(b).Reason)
		for began := time.Now(); time.Since(began) < 2*time.Hour-time.Minute; time.Sleep(time.Minute) {
			require.Equal(t, webhook.InFlight, second.process(b).Outcome)
		}
		time.Sleep(2 * time.Minute)
		require.Equal(t, webhook.Duplicate, second.process(b).Outcome)
		late := first.observations()[1]
		require.Equal(t, webhook.Handled, late.Outcome)
		require.True(t, late.Late)
		require.Greater(t, store.renewals.Load(), int64(50))
		require.NoError(t, first.Shutdown(t.Context()))
	})
}

func TestLongCallback_RunsElsewhereAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, store := twoProcesses(t, 3*time.Hour)
		cause := make(chan error, 1)
		ping.On(first.Handler, func(ctx context.Context, _ *Ping) error {
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		})
		ping.On(second.Handler, func(context.Context, *Ping) error { return nil })
		b := body("a")
		require.Equal(t, webhook.ReasonOverrun, first.process(b).Reason)
		time.Sleep(time.Hour)
		store.down.Store(true) // as after a crash: nothing renews the lease
		began := time.Now()
		for second.process(b).Outcome == webhook.InFlight {
			require.Less(t, time.Since(began), 6*time.Minute)
			time.Sleep(time.Second)
		}
		require.Equal(t, webhook.Duplicate, second.process(b).Outcome)
		require.ErrorIs(t, <-cause, idempotency.ErrLeaseLost, "the first process must not go on")
	})
}

func TestLongCallback_DefaultTimeoutNeedsNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, _, store := twoProcesses(t, 0)
		ping.On(first.Handler, inTurn(webhook.DefaultCallbackTimeout-time.Second))
		require.Equal(t, webhook.ReasonOverrun, first.process(body("a")).Reason)
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Handled, first.observations()[1].Outcome)
		require.Zero(t, store.renewals.Load())
		require.Equal(t, webhook.DefaultCallbackTimeout+10*time.Second, time.Duration(store.lease.Load()))
	})
}

func TestLongCallback_NeedsStoreThatRenews(t *testing.T) {
	plain := struct{ idempotency.Store }{memory(t, 0)}
	for timeout, refused := range map[time.Duration]bool{4*time.Minute + 50*time.Second: false, 4*time.Minute + 51*time.Second: true} {
		h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}}, &webhook.Options{Store: plain, CallbackTimeout: timeout})
		if refused {
			require.ErrorContains(t, err, "Options.CallbackTimeout (4m51s) must be at most 4m50s")
			continue
		}
		require.NoError(t, err)
		synctest.Test(t, func(t *testing.T) { // no time passes between the arrival and the claim
			ping.On(h, returns(nil))
			require.Equal(t, webhook.Handled, h.Redeliver(t.Context(), stored(t, "a")).Outcome)
		})
	}
}

// A stored delivery can wait for a duplicate before its callback has the whole timeout.
func TestLongCallback_RedeliverHasWholeTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{CallbackTimeout: timeout})
			var left []time.Duration
			ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
				ends, _ := ctx.Deadline()
				left = append(left, time.Until(ends))
				time.Sleep(3 * time.Second)
				if len(left) == 1 {
					return errors.New("failed")
				}
				return nil
			})
			d := stored(t, "a")
			go func() { r.Redeliver(t.Context(), d) }()
			synctest.Wait()
			require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), d).Outcome)
			require.Equal(t, []time.Duration{timeout, timeout}, left)
		})
	}
}

// A stored delivery can wait for a duplicate under either key. Under its second key, the lease of its first key has already
// begun.
func TestLongCallback_RedeliverEndsBeforeLease(t *testing.T) {
	slow := func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.RespondWithin = 30 * time.Second }
	for _, keys := range [][]string{{"second", "shared"}, {"shared"}} {
		for _, timeout := range []time.Duration{time.Minute, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{CallbackTimeout: timeout, ResponseTimeout: 27 * time.Second}, slow)
				ran := false
				ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
					if !ran {
						ran = true
						time.Sleep(25 * time.Second)
						return errors.New("failed")
					}
					<-ctx.Done()
					require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
					claims, ok := idempotency.ClaimsFromContext(ctx)
					require.True(t, ok)
					for _, key := range claims.Keys {
						claim, err := claims.Store.Claim(t.Context(), key, idempotency.NewToken(), time.Minute)
						require.NoError(t, err)
						require.GreaterOrEqual(t, claim.Remaining, 10*time.Second, "another process must not run it yet")
					}
					return ctx.Err()
				})
				first, second := stored(t, "a"), stored(t, "a")
				first.Keys, second.Keys = []string{"first", "shared"}, keys
				go func() { r.Redeliver(t.Context(), first) }()
				synctest.Wait()
				require.ErrorIs(t, r.Redeliver(t.Context(), second).Err, context.DeadlineExceeded)
			})
		}
	}
}

// TestLongCallback_FreesKeysAfterMargin is for a callback that ignores the end of its context.
func TestLongCallback_FreesKeysAfterMargin(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, 3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			first, second, _ := twoProcesses(t, timeout)
			ping.On(first.Handler, inTurn(timeout+time.Hour))
			ping.On(second.Handler, func(context.Context, *Ping) error { return nil })
			b, began := body("a"), time.Now()
			require.Equal(t, webhook.ReasonOverrun, first.process(b).Reason)
			time.Sleep(time.Until(began.Add(timeout + 10*time.Second - 1)))
			require.Equal(t, webhook.InFlight, second.process(b).Outcome)
			time.Sleep(1)
			require.Equal(t, webhook.Handled, second.process(b).Outcome)
			time.Sleep(2 * time.Hour)
		})
	}
}

// Otherwise, an Observer that hangs would let goroutines pile up.
func TestCallback_KeepsSlotUntilLateReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reported := make(chan struct{})
		r := newReceiver(t, webhook.Options{MaxRunning: 1, Observer: func(_ context.Context, o webhook.Observation) {
			if o.Late {
				<-reported
			}
		}})
		ping.On(r.Handler, inTurn(6*time.Second))
		require.Equal(t, webhook.ReasonOverrun, r.process(body("a")).Reason)
		time.Sleep(time.Minute)
		require.Equal(t, webhook.ReasonRunning, r.process(body("b")).Reason)
		close(reported)
		synctest.Wait()
		require.Equal(t, webhook.ReasonOverrun, r.process(body("b")).Reason)
		time.Sleep(time.Minute)
	})
}

func TestCallback_DuplicateFreesItsSlotOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{MaxRunning: 1})
		ping.On(r.Handler, inTurn(2*time.Second))
		require.Equal(t, webhook.Handled, r.process(body("a")).Outcome)
		for range 3 {
			require.Equal(t, webhook.Duplicate, r.process(body("a")).Outcome)
		}
		go r.process(body("b"))
		synctest.Wait()
		require.Equal(t, webhook.ReasonRunning, r.process(body("c")).Reason)
		time.Sleep(time.Minute)
	})
}
