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

// An outcome is the result of a call of Do, and when it returned.
type outcome struct {
	state idempotency.State
	err   error
	after time.Duration
}

// goDo calls Do on another goroutine, and returns when it runs or waits.
func goDo(t *testing.T, g *idempotency.Guard, ctx context.Context, key string, fn func(context.Context) error) <-chan outcome {
	done := make(chan outcome, 1)
	start := time.Now()
	go func() {
		state, err := g.Do(ctx, key, fn)
		done <- outcome{state, err, time.Since(start)}
	}()
	synctest.Wait()
	return done
}

// takes returns work that takes d and then returns err.
func takes(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return err
	}
}

func TestGuard_ReportsCompletionToWaitingDuplicate(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		first := goDo(t, g, t.Context(), "a", takes(5*time.Second, nil))
		duplicate := goDo(t, g, t.Context(), "a", func(context.Context) error { panic("it ran twice") })
		require.Equal(t, outcome{idempotency.Completed, nil, 5 * time.Second}, <-duplicate)
		require.Equal(t, outcome{idempotency.Acquired, nil, 5 * time.Second}, <-first)
	})
}

func TestGuard_RunsWaitingDuplicateAfterFailure(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		runs := 0 // one at a time
		work := func(context.Context) error {
			time.Sleep(5 * time.Second)
			if runs++; runs < 3 {
				return errWork
			}
			return nil
		}
		first := goDo(t, g, t.Context(), "a", work)
		one, other := goDo(t, g, t.Context(), "a", work), goDo(t, g, t.Context(), "a", work)
		require.Equal(t, outcome{idempotency.Acquired, errWork, 5 * time.Second}, <-first)
		require.ElementsMatch(t, []outcome{
			{idempotency.Acquired, errWork, 10 * time.Second},
			{idempotency.Acquired, nil, 15 * time.Second},
		}, []outcome{<-one, <-other}, "whichever comes first")
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestGuard_BoundsWaitersByMaxWaiters(t *testing.T) {
	for name, c := range map[string]struct{ set, want int }{
		"two by default": {0, 2}, "as set": {5, 5}, "no waiters": {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, store idempotency.Store) {
				g := newGuard(t, store, &idempotency.GuardOptions{MaxWaiters: c.set})
				first := goDo(t, g, t.Context(), "a", takes(5*time.Second, nil))
				var waiting []<-chan outcome
				for range c.want {
					waiting = append(waiting, goDo(t, g, t.Context(), "a", fail))
				}
				oneMore := goDo(t, g, t.Context(), "a", fail)
				require.Equal(t, outcome{idempotency.InFlight, nil, 0}, <-oneMore, "returns at once")
				for _, w := range waiting {
					require.Equal(t, outcome{idempotency.Completed, nil, 5 * time.Second}, <-w)
				}
				require.NoError(t, (<-first).err)
			})
		})
	}
}

func TestGuard_FreesWaiterSlotOnContextEnd(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, &idempotency.GuardOptions{MaxWaiters: 1})
		first := goDo(t, g, t.Context(), "a", takes(5*time.Second, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, outcome{idempotency.InFlight, nil, time.Second}, <-goDo(t, g, ctx, "a", fail))
		require.Equal(t, outcome{idempotency.Completed, nil, 4 * time.Second}, <-goDo(t, g, t.Context(), "a", fail))
		<-first
	})
}

func TestGuard_StopsWaitingOnContextEnd(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		first := goDo(t, g, t.Context(), "a", takes(5*time.Second, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.Equal(t, outcome{idempotency.InFlight, nil, 2 * time.Second}, <-goDo(t, g, ctx, "a", fail))
		require.NoError(t, (<-first).err)
	})
}

func TestWaitUntil_EndsWait(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquire(t, g, "a")
		start := time.Now()
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a"}, WaitUntil: start.Add(3 * time.Second)})
		require.Equal(t, idempotency.InFlight, claim.State)
		require.Equal(t, 3*time.Second, time.Since(start))
		claim = refused(t, g, idempotency.ClaimRequest{Keys: []string{"a"}, WaitUntil: start})
		require.Equal(t, idempotency.InFlight, claim.State, "a time that has passed")
		require.Equal(t, 3*time.Second, time.Since(start))
		require.NoError(t, lease.Complete(t.Context()))
	})
}

func TestWaitUntil_EndsStoreCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, on("claim", "a", fault{hangs: time.Minute}))
		g := newGuard(t, store, nil)
		start := time.Now()
		_, _, err := g.Acquire(t.Context(), idempotency.ClaimRequest{
			Keys: []string{"a"}, Lease: time.Minute, WaitUntil: start.Add(300 * time.Millisecond),
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.NoError(t, g.Wait(t.Context()))
	})
}

func TestGuard_DoesNotWaitForOtherProcess(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		first := goDo(t, newGuard(t, store, nil), t.Context(), "a", takes(5*time.Second, nil))
		start := time.Now()
		claim := refused(t, newGuard(t, store, nil), idempotency.ClaimRequest{Keys: []string{"a"}, WaitUntil: start.Add(time.Hour)})
		require.Equal(t, idempotency.Claim{State: idempotency.InFlight, Remaining: idempotency.DefaultLease}, claim)
		require.Zero(t, time.Since(start))
		<-first
	})
}

func TestGuard_RefusesRunningKeyPastItsLease(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, plainStore{store}, nil)
		first := goDo(t, g, t.Context(), "a", takes(time.Hour, nil)) // ignores its context
		time.Sleep(2 * idempotency.DefaultLease)
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a"}})
		require.Equal(t, idempotency.InFlight, claim.State)
		require.Equal(t, outcome{idempotency.Acquired, nil, time.Hour}, <-first, "it completes, because no other claim took the key")
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestGuard_LetsOneProcessCompleteAfterExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		second      time.Duration // how long the second run takes; it starts after the lease of the first, 40 s
		secondErr   error
		first       error // the error of the first run, which takes 60 s
		secondFirst error
	}{
		"the second completes before the first": {second: 10 * time.Second, first: idempotency.ErrLeaseLost},
		"the second completes after the first":  {second: 30 * time.Second, first: idempotency.ErrLeaseLost},
		"the second fails before the first": {
			second: 10 * time.Second, secondErr: errWork, secondFirst: errWork, first: idempotency.ErrLeaseLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, store idempotency.Store) {
				first := goDo(t, newGuard(t, plainStore{store}, nil), t.Context(), "a", takes(time.Minute, nil))
				second := newGuard(t, store, nil)
				time.Sleep(idempotency.DefaultLease - 1)
				require.Equal(t, idempotency.InFlight, refused(t, second, idempotency.ClaimRequest{Keys: []string{"a"}}).State)
				time.Sleep(1)
				got := goDo(t, second, t.Context(), "a", takes(c.second, c.secondErr))
				require.ErrorIs(t, (<-got).err, c.secondFirst)
				require.ErrorIs(t, (<-first).err, c.first)
				want := idempotency.Completed
				if c.secondErr != nil {
					want = idempotency.Acquired
				}
				require.Equal(t, want, look(t, store, "a"))
			})
		})
	}
}

func TestLease_CompletesExpiredKeyUnlessTaken(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		lease := acquire(t, newGuard(t, store, nil), "a")
		time.Sleep(2 * time.Minute)
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestGuard_BoundsWaitForOppositeKeyOrders(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, &idempotency.GuardOptions{MaxWaiters: 100})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		keys := []string{"a", "b", "c"}
		var works sync.WaitGroup
		for n := range 30 {
			order := []string{keys[n%3], keys[(n+1)%3], keys[(n+2)%3]}
			works.Go(func() {
				for ctx.Err() == nil {
					lease, claim, err := g.Acquire(ctx, idempotency.ClaimRequest{
						Keys: order, Lease: time.Minute, WaitUntil: time.Now().Add(time.Duration(n+1) * 100 * time.Millisecond),
					})
					require.NoError(t, err)
					if claim.State == idempotency.Completed {
						return
					}
					if lease != nil {
						time.Sleep(time.Second)
						require.NoError(t, lease.Complete(ctx))
						return
					}
					time.Sleep(time.Duration(n) * 10 * time.Millisecond)
				}
			})
		}
		works.Wait()
		require.NoError(t, ctx.Err(), "all calls have ended")
		for _, key := range keys {
			require.Equal(t, idempotency.Completed, look(t, store, key))
		}
	})
}

func TestGuard_EndsDeadlockOnContextEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Both calls need long enough for their first key to find the second key claimed.
		g := newGuard(t, newFaultyStore(t, func(call) fault { return fault{hangs: time.Millisecond} }), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var works sync.WaitGroup
		works.Go(func() {
			lease, claim, err := g.Acquire(ctx, idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Hour})
			require.NoError(t, err)
			require.Nil(t, lease)
			require.Equal(t, idempotency.InFlight, claim.State)
		})
		works.Go(func() {
			lease, _, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"b", "a"}, Lease: time.Hour})
			require.NoError(t, err)
			require.Error(t, ctx.Err(), "only after the other call ended")
			require.NoError(t, lease.Complete(t.Context()))
		})
		works.Wait()
	})
}
