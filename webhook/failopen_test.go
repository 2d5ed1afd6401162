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
	"github.com/aihooks/aihooks-go/webhook"
)

func failOpen(store idempotency.Store) webhook.Options {
	return webhook.Options{Store: store, DangerouslyFailOpen: true}
}

func TestFailOpen_RunsCallbackWhileStoreIsDown(t *testing.T) {
	for name, store := range map[string]*brokenStore{
		"refuses": {claimErr: errors.New("store down"), recovers: time.Minute},
		"hangs":   {claimHangs: 3 * time.Second, recovers: time.Minute},
		"is full": {claimErr: idempotency.ErrFull, recovers: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, failOpen(store))
				runs := 0
				ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
					runs++
					_, claimed := idempotency.ClaimsFromContext(ctx)
					require.Equal(t, runs == 3, claimed, "a run without the store must not have claims")
					require.True(t, claimed || e.Delivery().Attempt == 1, "without the store every run is the first attempt")
					return nil
				})
				require.Equal(t, 200, r.deliver(body("a")).status)
				seen := r.observations()[0]
				require.Equal(t, webhook.Handled, seen.Outcome)
				require.True(t, seen.FailedOpen, "it is observed")
				require.Equal(t, 1, r.log.Count(`"level":"WARN"`, `"failed_open":true`), "and logged")

				require.Equal(t, 200, r.deliver(body("a")).status)
				require.Equal(t, 2, runs, "without the store, the delivery runs twice")

				time.Sleep(2 * time.Minute)
				require.Equal(t, 200, r.deliver(body("a")).status)
				require.Equal(t, 200, r.deliver(body("a")).status)
				require.Equal(t, 3, runs, "after its recovery the store must prevent another run")
				require.False(t, r.observations()[2].FailedOpen)
			})
		})
	}
}

func TestFailOpen_RunsKeyOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, failOpen(&brokenStore{claimErr: errors.New("store down"), recovers: time.Second}))
		var running, runs atomic.Int32
		ping.On(r.Handler, func(context.Context, *Ping) error {
			require.EqualValues(t, 1, running.Add(1))
			defer running.Add(-1)
			runs.Add(1)
			time.Sleep(2 * time.Second) // the store recovers meanwhile
			return nil
		})
		go r.deliver(body("a"))
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, `{"received":true,"duplicate":true}`, r.deliver(body("a")).body, "it must wait for the running copy")
		require.EqualValues(t, 1, runs.Load())
	})
}

func TestFailOpen_Responds503WhenUnset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Store: &brokenStore{claimErr: errors.New("store down")}})
		ping.On(r.Handler, func(context.Context, *Ping) error {
			require.Fail(t, "run")
			return nil
		})
		require.Equal(t, 503, r.deliver(body("a")).status)
		time.Sleep(time.Minute)
	})
}

func TestStore_RefusesOnlyNewDeliveriesWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a busy machine a body may take longer than BodyTimeout
		store, err := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1})
		require.NoError(t, err)
		r := newReceiver(t, webhook.Options{Store: store})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, 200, r.deliver(body("a")).status)
		full := r.deliver(body("b"))
		require.Equal(t, 503, full.status)
		require.Positive(t, retryAfter(t, full))
		require.Equal(t, webhook.ReasonStoreFull, r.last(2).Reason)
		require.Equal(t, 1, r.log.Count(`"level":"ERROR"`, `"reason":"store_full"`))
		require.Equal(t, 200, r.deliver(body("a")).status, "it is a duplicate of a key that the store has")
	})
}
