package idempotency_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

const renewedLease = 30 * time.Second

// acquireRenewed acquires keys for a short lease that is renewed for the given time. The end of its context does not end the
// renewals.
func acquireRenewed(t testing.TB, g *idempotency.Guard, d time.Duration, keys ...string) *idempotency.Lease {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lease, claim, err := g.Acquire(ctx, idempotency.ClaimRequest{Keys: keys, Lease: renewedLease, RenewUntil: time.Now().Add(d)})
	require.NoError(t, err)
	require.Equal(t, idempotency.Acquired, claim.State)
	return lease
}

// remaining returns how long the lease of a key still lasts in the store, and zero if the key is free.
func remaining(t testing.TB, store idempotency.Store, key string) time.Duration {
	t.Helper()
	token := idempotency.NewToken()
	claim, err := store.Claim(t.Context(), key, token, time.Hour)
	require.NoError(t, err)
	if claim.State == idempotency.Acquired {
		require.NoError(t, store.Release(t.Context(), key, token))
	}
	return claim.Remaining
}

func TestRenewal_KeepsKeysUntilCompletion(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquireRenewed(t, g, time.Hour, "a", "b")
		ctx := lease.Context(t.Context())
		for range 10 * renewedLease / time.Second {
			time.Sleep(time.Second)
			synctest.Wait()
			a, b, here := remaining(t, store, "a"), remaining(t, store, "b"), time.Until(lease.Until())
			require.Greater(t, a, b, "the earlier key's lease outlasts the later one's")
			require.GreaterOrEqual(t, b, here, "the lease never ends earlier in the store")
			require.GreaterOrEqual(t, here, renewedLease*2/3, "a renewal is due after a third of the lease")
			require.LessOrEqual(t, here, renewedLease, "after a crash, the keys are free soon")
		}
		require.NoError(t, ctx.Err())
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, context.Canceled, context.Cause(ctx), "the context ends with the work")
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
		require.Equal(t, idempotency.Completed, look(t, store, "b"))
		require.Equal(t, 1, lease.Attempt())
	})
}

func TestRenewal_StopsWithTheWork(t *testing.T) {
	for name, end := range map[string]func(*idempotency.Lease, context.Context) error{
		"completed": (*idempotency.Lease).Complete, "released": (*idempotency.Lease).Release,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, nil)
				g := newGuard(t, store, nil)
				lease := acquireRenewed(t, g, time.Hour, "a")
				ctx := lease.Context(t.Context())
				time.Sleep(renewedLease - time.Second)
				renewals := store.made("renew", "a")
				require.Positive(t, renewals)
				require.NoError(t, end(lease, ctx), "the context ends only after the store was called")
				require.Equal(t, context.Canceled, context.Cause(ctx))
				require.NoError(t, g.Wait(t.Context()))
				time.Sleep(10 * renewedLease)
				require.Equal(t, renewals, store.made("renew", "a"))
			})
		})
	}
}

// TestRenewal_EndsAtRenewUntil checks that work which never ends does not keep its keys for longer.
func TestRenewal_EndsAtRenewUntil(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		const d = 10*renewedLease + 7*time.Second
		start := time.Now()
		g := newGuard(t, store, nil)
		lease := acquireRenewed(t, g, d, "a")
		ctx := lease.Context(t.Context())
		time.Sleep(d - 1)
		require.NoError(t, ctx.Err())
		require.Equal(t, idempotency.InFlight, look(t, store, "a"))
		<-ctx.Done()
		require.Equal(t, d, time.Since(start))
		require.Equal(t, start.Add(d), lease.Until())
		require.Equal(t, idempotency.ErrLeaseLost, context.Cause(ctx))
		require.Equal(t, idempotency.ErrLeaseLost, context.Cause(lease.Context(t.Context())), "a context made afterwards")
		require.NoError(t, g.Wait(t.Context()))
		other := acquire(t, newGuard(t, store, nil), "a")
		require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
		require.NoError(t, other.Complete(t.Context()))
	})
}

func TestRenewal_IsNotStartedUnlessNeeded(t *testing.T) {
	for name, request := range map[string]idempotency.ClaimRequest{
		"no time":             {Keys: []string{"a"}},
		"within the lease":    {Keys: []string{"a"}, RenewUntil: time.Unix(1, 0)},
		"no keys":             {RenewUntil: time.Now().Add(1e6 * time.Hour)},
		"the work fails open": {Keys: []string{"down"}, RenewUntil: time.Now().Add(1e6 * time.Hour), FailOpen: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, on("claim", "down", fault{err: errDown}))
				request.Lease = renewedLease
				lease, _, err := newGuard(t, store, nil).Acquire(t.Context(), request)
				require.NoError(t, err)
				ctx := lease.Context(t.Context())
				time.Sleep(10 * renewedLease)
				require.NoError(t, ctx.Err(), "without renewals, the context does not depend on the lease")
				require.Zero(t, store.made("renew", "a")+store.made("renew", "down"))
				require.NoError(t, lease.Complete(t.Context()))
				require.NoError(t, ctx.Err())
			})
		})
	}
}

func TestAcquire_ReportsStoreThatCannotRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, plainStore{newMemory(t, nil)}, nil)
		request := idempotency.ClaimRequest{Keys: []string{"a"}, Lease: time.Minute, RenewUntil: time.Now().Add(time.Minute + 1), FailOpen: true}
		_, _, err := g.Acquire(t.Context(), request)
		require.ErrorIs(t, err, idempotency.ErrCannotRenew)
		request.RenewUntil = time.Now().Add(time.Minute)
		lease, claim, err := g.Acquire(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, idempotency.Claim{State: idempotency.Acquired, Attempt: 1}, claim, "the refused request claimed nothing")
		require.NoError(t, lease.Complete(t.Context()))
	})
}

// TestAcquire_AllocatesNothingForRenewals has the number of allocations from before there were renewals, which is one more
// with the race detector.
func TestAcquire_AllocatesNothingForRenewals(t *testing.T) {
	g := newGuard(t, newMemory(t, nil), nil)
	request := idempotency.ClaimRequest{Keys: []string{"a"}, Lease: time.Minute}
	ctx := t.Context()
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		lease, _, _ := g.Acquire(ctx, request)
		_ = lease.Context(ctx)
		_ = lease.Release(ctx)
	}), 8.0)
}

// TestRenewal_ContinuesAfterCompletionInWork is for work that goes on after it has completed its keys in a transaction.
func TestRenewal_ContinuesAfterCompletionInWork(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		lease := acquireRenewed(t, newGuard(t, store, nil), time.Hour, "a")
		ctx := lease.Context(t.Context())
		claims, ok := idempotency.ClaimsFromContext(ctx)
		require.True(t, ok)
		require.NoError(t, store.Complete(ctx, "a", claims.Token))
		time.Sleep(10 * renewedLease)
		require.NoError(t, ctx.Err())
		require.NoError(t, lease.Complete(t.Context()))
	})
}

func TestRenewal_IsCoveredByWait(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquireRenewed(t, g, time.Hour, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, g.Wait(ctx), context.DeadlineExceeded)
		start := time.Now()
		var work sync.WaitGroup
		work.Go(func() {
			time.Sleep(time.Minute)
			_ = lease.Complete(t.Context())
		})
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, time.Minute, time.Since(start))
		work.Wait()
	})
}

// TestRenewal_UntilIsReadConcurrently needs the race detector.
func TestRenewal_UntilIsReadConcurrently(t *testing.T) {
	store := newMemory(t, nil)
	g := newGuard(t, store, nil)
	lease, _, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a"}, Lease: time.Second, RenewUntil: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	first := lease.Until()
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !lease.Until().After(first) && context.Cause(lease.Context(t.Context())) == nil {
				time.Sleep(time.Millisecond)
			}
		})
	}
	readers.Wait()
	require.NoError(t, lease.Release(t.Context()))
}

func TestDo_RenewsLeaseWhileWorkRuns(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		const long = 3 * time.Hour
		first := goDo(t, newGuard(t, store, nil), t.Context(), "a", takes(long, nil))
		other := newGuard(t, store, nil)
		for range long/time.Minute - 1 {
			time.Sleep(time.Minute)
			require.Equal(t, idempotency.InFlight, refused(t, other, idempotency.ClaimRequest{Keys: []string{"a"}}).State)
		}
		require.Equal(t, outcome{idempotency.Acquired, nil, long}, <-first)
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

// TestDo_StopsRenewingMarginAfterDeadline checks that another process can run work that hangs here.
func TestDo_StopsRenewingMarginAfterDeadline(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		hangs := goDo(t, newGuard(t, store, nil), ctx, "a", takes(2*time.Hour, nil))
		time.Sleep(time.Hour + idempotency.DefaultMargin - 1)
		require.Equal(t, idempotency.InFlight, look(t, store, "a"))
		time.Sleep(1)
		require.NoError(t, acquire(t, newGuard(t, store, nil), "a").Complete(t.Context()))
		require.ErrorIs(t, (<-hangs).err, idempotency.ErrLeaseLost)
	})
}
