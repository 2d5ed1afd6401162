package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

var errWork = errors.New("the work failed")

func succeed(context.Context) error { return nil }

func fail(context.Context) error { return errWork }

// inBubbles runs a test of a Guard in a bubble, over a store that it calls directly and over one that may hang.
func inBubbles(t *testing.T, test func(t *testing.T, store idempotency.Store)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newMemory(t, nil)) })
	})
	t.Run("any store", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newFaultyStore(t, nil)) })
	})
}

func TestDo_RunsOnceAndReportsDuplicates(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		runs := 0
		for _, want := range []idempotency.State{idempotency.Acquired, idempotency.Completed, idempotency.Completed} {
			state, err := g.Do(t.Context(), "a", func(context.Context) error { runs++; return nil })
			require.NoError(t, err)
			require.Equal(t, want, state)
		}
		require.Equal(t, 1, runs)
		state, err := g.Do(t.Context(), "b", func(context.Context) error { runs++; return nil })
		require.NoError(t, err)
		require.Equal(t, idempotency.Acquired, state, "another key")
		require.Equal(t, 2, runs)
	})
}

func TestDo_ReleasesOnFailure(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		state, err := g.Do(t.Context(), "a", fail)
		require.Equal(t, errWork, err, "the error is that of the work, as it is")
		require.Equal(t, idempotency.Acquired, state)
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
		state, err = g.Do(t.Context(), "a", succeed)
		require.NoError(t, err)
		require.Equal(t, idempotency.Acquired, state)
	})
}

func TestDo_ReleasesAndPropagatesPanic(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		require.PanicsWithValue(t, "boom", func() {
			_, _ = g.Do(t.Context(), "a", func(context.Context) error { panic("boom") })
		})
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
	})
}

func TestDo_ReleasesAndPropagatesGoexit(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		var outlived atomic.Bool
		var work sync.WaitGroup
		work.Go(func() {
			_, _ = g.Do(t.Context(), "a", func(context.Context) error { runtime.Goexit(); return nil })
			outlived.Store(true)
		})
		work.Wait()
		require.False(t, outlived.Load())
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
	})
}

func TestDo_CompletesAndReleasesAfterContextEnds(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := g.Do(ctx, "a", func(ctx context.Context) error { cancel(); return ctx.Err() })
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))

		ctx, cancel = context.WithCancel(t.Context())
		_, err = g.Do(ctx, "a", func(context.Context) error { cancel(); return nil })
		require.NoError(t, err)
		require.Equal(t, idempotency.Completed, look(t, store, "a"))

		_, err = g.Do(ctx, "b", succeed)
		require.ErrorIs(t, err, context.Canceled, "a context that has ended before")
	})
}

func TestDo_EndsContextMarginBeforeLeaseWithoutRenewer(t *testing.T) {
	for name, c := range map[string]struct {
		o     *idempotency.GuardOptions
		after time.Duration
		lease time.Duration
	}{
		"by default": {nil, 30 * time.Second, 40 * time.Second},
		"as set":     {&idempotency.GuardOptions{Lease: time.Minute, Margin: 15 * time.Second}, 45 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, store idempotency.Store) {
				store = plainStore{store}
				start := time.Now()
				_, err := newGuard(t, store, c.o).Do(t.Context(), "a", func(ctx context.Context) error {
					other := newGuard(t, store, nil)
					claim := refused(t, other, idempotency.ClaimRequest{Keys: []string{"a"}})
					require.Equal(t, idempotency.InFlight, claim.State)
					require.Equal(t, c.lease, claim.Remaining)
					<-ctx.Done()
					require.Equal(t, c.after, time.Since(start))
					return ctx.Err()
				})
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestClaimsFromContext_ReturnsClaimsOfWork(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		_, ok := idempotency.ClaimsFromContext(t.Context())
		require.False(t, ok, "outside of any work")
		g := newGuard(t, store, nil)
		_, err := g.Do(t.Context(), "a", func(ctx context.Context) error {
			claims, ok := idempotency.ClaimsFromContext(ctx)
			require.True(t, ok)
			require.Equal(t, store, claims.Store)
			require.Equal(t, []string{"a"}, claims.Keys)
			require.NoError(t, store.Complete(ctx, "a", claims.Token), "as a store does inside the caller's transaction")
			return errWork
		})
		require.ErrorIs(t, err, errWork)
		require.Equal(t, idempotency.Completed, look(t, store, "a"), "what was completed in the work stays completed")
	})
}

func TestClaimsFromContext_ReturnsCopyOfKeys(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		_, err := newGuard(t, store, nil).Do(t.Context(), "a", func(ctx context.Context) error {
			claims, _ := idempotency.ClaimsFromContext(ctx)
			claims.Keys[0] = "b"
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestAcquire_CopiesKeys(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		keys := []string{"a", "b"}
		lease := acquire(t, g, keys...)
		keys[0], keys[1] = "x", "y"
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
		require.Equal(t, idempotency.Completed, look(t, store, "b"))
		require.Equal(t, idempotency.Acquired, look(t, store, "x"))
	})
}

func TestAcquire_CountsAttemptsAcrossReleases(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		for n := 1; n <= 3; n++ {
			lease := acquire(t, g, "a")
			require.Equal(t, n, lease.Attempt())
			require.NoError(t, lease.Release(t.Context()))
		}
		lease := acquire(t, g, "b", "a", "c")
		require.Equal(t, 4, lease.Attempt(), "the highest of the keys")
		require.NoError(t, lease.Release(t.Context()))
	})
}

func TestLease_EndsNoLaterThanInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, func(call) fault { return fault{hangs: 900 * time.Millisecond} })
		start := time.Now()
		lease := acquire(t, newGuard(t, store, nil), "a", "b", "c")
		store.change(nil)
		require.Equal(t, start.Add(time.Minute), lease.Until())
		time.Sleep(time.Until(lease.Until()) - 1)
		for _, key := range []string{"a", "b", "c"} {
			require.Equal(t, idempotency.InFlight, store.look(t, key))
		}
		require.NoError(t, lease.Complete(t.Context()))
		require.NoError(t, lease.Settled(), "nothing was left to settle")
	})
}

func TestNewGuard_RefusesInvalidOptions(t *testing.T) {
	memory := newMemory(t, nil)
	_, err := idempotency.NewGuard(nil, nil)
	require.ErrorContains(t, err, "Store")
	for name, o := range map[string]idempotency.GuardOptions{
		"Lease":       {Lease: -1},
		"Margin":      {Margin: -1},
		"CallTimeout": {CallTimeout: -1},
	} {
		_, err := idempotency.NewGuard(memory, &o)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "negative")
	}
	for _, o := range []idempotency.GuardOptions{
		{Lease: 10 * time.Second}, {Margin: 40 * time.Second}, {Lease: time.Second, Margin: 2 * time.Second},
	} {
		_, err := idempotency.NewGuard(memory, &o)
		require.ErrorContains(t, err, "must be shorter than Lease", fmt.Sprint(o))
	}
}

func TestDo_RunsOneOfManyConcurrentCalls(t *testing.T) {
	for _, guards := range []int{1, 3} {
		t.Run(fmt.Sprint(guards, " guards"), func(t *testing.T) {
			inBubbles(t, func(t *testing.T, store idempotency.Store) {
				var runs atomic.Int32
				var work sync.WaitGroup
				for range guards {
					g := newGuard(t, store, &idempotency.GuardOptions{MaxWaiters: 100})
					for range 20 {
						work.Go(func() {
							for {
								state, err := g.Do(t.Context(), "a", func(context.Context) error {
									runs.Add(1)
									time.Sleep(5 * time.Second)
									return nil
								})
								if err == nil && state != idempotency.InFlight {
									return
								}
								time.Sleep(time.Second)
							}
						})
					}
				}
				work.Wait()
				require.EqualValues(t, 1, runs.Load())
			})
		})
	}
}

func TestGuard_DistinguishesFullFromUnavailableStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, newMemory(t, &idempotency.MemoryOptions{MaxKeys: 1}), nil)
		_, err := g.Do(t.Context(), "a", succeed)
		require.NoError(t, err)
		_, err = g.Do(t.Context(), "b", succeed)
		require.ErrorIs(t, err, idempotency.ErrFull)

		store := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 1})
		g = newGuard(t, store, nil)
		_, _, err = g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute})
		require.ErrorIs(t, err, idempotency.ErrFull)
		require.Equal(t, idempotency.Acquired, look(t, store, "a"), "which had been taken before there was no room")
	})
}

func TestGuard_CountsWhatComesApart(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		count := func() int {
			n, err := g.Count(t.Context(), "attempts", time.Minute)
			require.NoError(t, err)
			return n
		}
		require.Equal(t, 1, count())
		require.Zero(t, count(), "too soon")
		time.Sleep(time.Minute - time.Millisecond)
		require.Zero(t, count(), "what came too soon does not begin another minute")
		time.Sleep(time.Millisecond)
		require.Equal(t, 2, count())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := g.Count(ctx, "attempts", time.Minute)
		require.ErrorIs(t, err, context.Canceled)
	})
}
