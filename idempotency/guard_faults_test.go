package idempotency_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// withFaults runs a test of a Guard in a bubble, on a store with planned faults.
func withFaults(t *testing.T, plan func() func(call) fault, test func(t *testing.T, g *idempotency.Guard, store *faultyStore)) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, plan())
		test(t, newGuard(t, store, nil), store)
		time.Sleep(3 * time.Hour) // lets hanging calls end within the bubble
	})
}

func always(plan func(call) fault) func() func(call) fault {
	return func() func(call) fault { return plan }
}

func TestAStoreThatCannotBeAskedRunsNothingAndKeepsNothing(t *testing.T) {
	for name, f := range map[string]fault{
		"it fails":                         {err: errDown},
		"it panics":                        {panics: "no connection"},
		"the response is lost":             {lost: errDown},
		"it hangs, and then claims":        {hangs: 20 * time.Second},
		"it hangs, and then panics":        {hangs: 20 * time.Second, panics: "no connection"},
		"it hangs, and the response fails": {hangs: 20 * time.Second, lost: errDown},
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, always(on("claim", "b", f, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
				start := time.Now()
				lease, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b", "c"}, Lease: time.Minute})
				require.Nil(t, lease)
				require.Equal(t, idempotency.Claim{}, claim)
				require.ErrorContains(t, err, "idempotency: store: ")
				if f.hangs > 0 {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, idempotency.DefaultCallTimeout, time.Since(start))
				} else {
					require.Zero(t, time.Since(start))
				}
				require.NoError(t, g.Wait(t.Context()))
				require.Equal(t, f.hangs, time.Since(start), "all keys are released as soon as the call returns")
				require.Equal(t, idempotency.Acquired, store.look(t, "a"))
				require.Equal(t, idempotency.Acquired, store.look(t, "b"))
				require.Zero(t, store.made("claim", "c"))
				require.NoError(t, acquire(t, g, "a", "b", "c").Complete(t.Context()))
			})
		})
	}
}

func TestALostClaimIsReleasedUnderTheTokenItWasMadeWith(t *testing.T) {
	withFaults(t, always(on("claim", "a", fault{hangs: 20 * time.Second}, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		_, err := g.Do(t.Context(), "a", succeed)
		require.Error(t, err)
		lease := acquire(t, g, "a") // before the lost claim reaches the store and finds the key in flight
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.InFlight, store.look(t, "a"), "the release must not affect another claim")
		require.NoError(t, lease.Complete(t.Context()))
	})
}

func TestALostClaimWhoseReleaseFailsIsReleasedLater(t *testing.T) {
	plan := func(c call) fault {
		switch {
		case c.method == "claim" && c.n == 1:
			return fault{lost: errDown}
		case c.method == "release" && c.n <= 3:
			return fault{err: errDown}
		default:
			return fault{}
		}
	}
	withFaults(t, always(plan), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		_, err := g.Do(t.Context(), "a", succeed)
		require.ErrorIs(t, err, errDown)
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, 4, store.made("release", "a"))
		require.Equal(t, idempotency.Acquired, store.look(t, "a"))
	})
}

func TestATwinTriesForItselfWhenTheFirstCouldNotAskTheStore(t *testing.T) {
	withFaults(t, always(on("claim", "a", fault{hangs: 2 * time.Second, err: errDown}, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		first := goDo(t, g, t.Context(), "a", succeed)
		duplicate := goDo(t, g, t.Context(), "a", succeed)
		require.ErrorIs(t, (<-first).err, context.DeadlineExceeded)
		require.Equal(t, outcome{idempotency.Acquired, nil, time.Second}, <-duplicate)
	})
}

func TestTheCallTimeoutBoundsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, func(call) fault { return fault{hangs: time.Hour} })
		g := newGuard(t, store, &idempotency.GuardOptions{CallTimeout: 3 * time.Second})
		start := time.Now()
		_, err := g.Do(t.Context(), "a", succeed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		store.change(nil)
		lease := acquire(t, g, "b")
		store.change(func(call) fault { return fault{hangs: time.Hour} })
		start = time.Now()
		require.ErrorIs(t, lease.Release(t.Context()), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		time.Sleep(3 * time.Hour)
	})
}

func TestACompletionThatFailsIsTriedAgainWithGrowingPauses(t *testing.T) {
	plan := func() func(call) fault { return during(10*time.Second, "complete", errDown) }
	withFaults(t, plan, func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		require.ErrorIs(t, lease.Complete(t.Context()), errDown)
		start := time.Now()
		require.NoError(t, lease.Settled())
		// Retries fail after 100, 300, 700 and 1500 ms, and after 3.1, 5.1, 7.1 and 9.1 s. The next one succeeds.
		require.Equal(t, 11100*time.Millisecond, time.Since(start))
		require.Equal(t, 10, store.made("complete", "a"))
		require.Equal(t, idempotency.Completed, store.look(t, "a"))
	})
}

func TestUntilItIsMarkedTheWorkCountsAsDoneInThisProcessAlone(t *testing.T) {
	plan := func() func(call) fault { return during(10*time.Second, "complete", errDown) }
	withFaults(t, plan, func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		first := goDo(t, g, t.Context(), "a", takes(time.Second, nil))
		require.Equal(t, outcome{idempotency.Completed, nil, time.Second}, <-goDo(t, g, t.Context(), "a", fail))
		require.Equal(t, errDown, errors.Unwrap((<-first).err))
		require.Equal(t, outcome{idempotency.Completed, nil, 0}, <-goDo(t, g, t.Context(), "a", fail))
		other := newGuard(t, store, nil)
		require.Equal(t, idempotency.InFlight, refused(t, other, idempotency.ClaimRequest{Keys: []string{"a"}}).State)
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Completed, refused(t, other, idempotency.ClaimRequest{Keys: []string{"a"}}).State)
	})
}

func TestWhatIsTriedAgainDoesNotEndWithTheCallersContext(t *testing.T) {
	withFaults(t, always(on("complete", "a", fault{err: errDown}, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, lease.Complete(ctx))
		require.NoError(t, lease.Settled())
		require.Equal(t, idempotency.Completed, store.look(t, "a"))
	})
}

func TestDuplicatesOfWorkThatIsDoneNeedNeitherPlaceNorStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, during(10*time.Second, "complete", errDown))
		nobodyWaits := newGuard(t, store, &idempotency.GuardOptions{MaxWaiters: -1})
		require.Error(t, acquire(t, nobodyWaits, "a").Complete(t.Context()))
		state, err := nobodyWaits.Do(t.Context(), "a", fail)
		require.NoError(t, err)
		require.Equal(t, idempotency.Completed, state)

		g := newGuard(t, store, nil)
		first := goDo(t, g, t.Context(), "b", takes(time.Minute, nil)) // until the store has recovered
		require.Equal(t, idempotency.Completed, (<-goDo(t, g, t.Context(), "b", fail)).state)
		require.NoError(t, (<-first).err)
		require.Equal(t, 1, store.made("claim", "b"))
	})
}

func TestACompletionIsTriedAgainUntilTheLeaseEnds(t *testing.T) {
	withFaults(t, always(on("complete", "a", fault{err: errDown})), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, lease.Complete(t.Context()), errDown)
		require.ErrorIs(t, lease.Settled(), errDown)
		require.Equal(t, lease.Until(), time.Now())
		store.change(nil)
		state, err := g.Do(t.Context(), "a", succeed)
		require.NoError(t, err)
		require.Equal(t, idempotency.Acquired, state, "as in any other process")
	})
}

func TestACompletionThatHangsEndsWithTheLease(t *testing.T) {
	withFaults(t, always(on("complete", "a", fault{hangs: time.Hour, err: errDown})), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		require.ErrorIs(t, lease.Complete(t.Context()), context.DeadlineExceeded)
		require.ErrorIs(t, lease.Settled(), context.DeadlineExceeded)
		require.Equal(t, lease.Until(), time.Now())
	})
}

func TestWhatOutlastedItsLeaseIsStillTriedAgainForAMargin(t *testing.T) {
	for name, settle := range map[string]func(*idempotency.Lease, context.Context) error{
		"complete": (*idempotency.Lease).Complete, "release": (*idempotency.Lease).Release,
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, always(on(name, "a", fault{err: errDown})), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
				lease := acquire(t, g, "a")
				time.Sleep(2 * time.Minute)
				start := time.Now()
				require.ErrorIs(t, settle(lease, t.Context()), errDown)
				require.NoError(t, g.Wait(t.Context()))
				require.Equal(t, idempotency.DefaultMargin, time.Since(start))

				late := acquire(t, g, "a")
				time.Sleep(2 * time.Minute)
				require.ErrorIs(t, settle(late, t.Context()), errDown)
				store.change(nil)
				require.NoError(t, g.Wait(t.Context()))
				want := idempotency.Completed
				if name == "release" {
					want = idempotency.Acquired
				}
				require.Equal(t, want, store.look(t, "a"))
			})
		})
	}
}

func TestALostLeaseIsNotTriedAgain(t *testing.T) {
	withFaults(t, always(nil), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		time.Sleep(2 * time.Minute)
		other := acquire(t, newGuard(t, store, nil), "a")
		require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
		require.NoError(t, lease.Settled())
		time.Sleep(time.Minute)
		require.Equal(t, 1, store.made("complete", "a"))
		require.NoError(t, other.Complete(t.Context()))
	})
}

func TestALeaseLostWhileTryingAgainEndsTheTrying(t *testing.T) {
	withFaults(t, always(on("complete", "a", fault{err: errDown}, 1, 2)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a")
		require.ErrorIs(t, lease.Complete(t.Context()), errDown)
		require.NoError(t, store.Store.Release(t.Context(), "a", store.tokens["a"][0]))
		require.ErrorIs(t, lease.Settled(), idempotency.ErrLeaseLost)
		require.Equal(t, 3, store.made("complete", "a"))
	})
}

func TestAReleaseThatFailsIsTriedAgain(t *testing.T) {
	plan := func() func(call) fault { return during(10*time.Second, "release", errDown) }
	withFaults(t, plan, func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a", "b")
		require.ErrorIs(t, lease.Release(t.Context()), errDown)
		require.Equal(t, idempotency.InFlight, refused(t, g, idempotency.ClaimRequest{Keys: []string{"b"}}).State)
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Acquired, store.look(t, "a"))
		require.Equal(t, idempotency.Acquired, store.look(t, "b"))
	})
}

func TestAKeyIsNotReleasedBeforeThoseAfterIt(t *testing.T) {
	withFaults(t, always(on("release", "b", fault{err: errDown}, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		lease := acquire(t, g, "a", "b", "c")
		require.ErrorIs(t, lease.Release(t.Context()), errDown)
		require.Equal(t, idempotency.InFlight, store.look(t, "a"))
		require.Equal(t, idempotency.InFlight, store.look(t, "b"))
		require.Equal(t, idempotency.Acquired, store.look(t, "c"))
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Acquired, store.look(t, "a"))
	})
}

// The sender sends the same delivery again. The first key is free, but the previous attempt still holds the second. This
// must not be treated as the same work under another name.
func TestAWorkThatComesAgainAfterAFaultIsNotRefusedForLong(t *testing.T) {
	for name, plan := range map[string]func(call) fault{
		"a release failed": on("release", "b", fault{err: errDown}, 1, 2, 3),
		"a release hung":   on("release", "b", fault{hangs: 10 * time.Second}, 1),
		"a claim was lost": on("claim", "b", fault{hangs: 10 * time.Second}, 1),
		"claims were slow": on("claim", "b", fault{hangs: 999 * time.Millisecond}, 1),
	} {
		t.Run(name, func(t *testing.T) {
			withFaults(t, always(plan), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
				// This process fails later, or never continues.
				work := idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: 40 * time.Second, RefusedLease: time.Hour}
				if lease, _, err := g.Acquire(t.Context(), work); err == nil && name != "claims were slow" {
					_ = lease.Release(t.Context())
				}
				other := newGuard(t, store, nil)
				for start := time.Now(); ; time.Sleep(time.Millisecond) {
					lease, _, err := other.Acquire(t.Context(), work)
					require.NoError(t, err)
					if lease != nil {
						require.NoError(t, lease.Complete(t.Context()))
						return
					}
					require.LessOrEqual(t, time.Since(start), 42*time.Second)
				}
			})
		})
	}
}

func TestAWorkRefusedAsCompletedIsSoThoughItsOtherKeysCannotBeMarkedYet(t *testing.T) {
	withFaults(t, always(on("complete", "a", fault{err: errDown}, 1, 2)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		other := acquire(t, g, "b")
		duplicates := make(chan idempotency.State, 2)
		for range 2 {
			go func() {
				_, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute, WaitUntil: time.Now().Add(time.Minute)})
				assert.NoError(t, err)
				duplicates <- claim.State
			}()
			synctest.Wait()
		}
		require.NoError(t, other.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, <-duplicates)
		require.Equal(t, idempotency.Completed, <-duplicates, "it waited for the other")
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Completed, store.look(t, "a"))
	})
}

func TestARefusalIsNotHeldUpByAStoreThatHangs(t *testing.T) {
	for name, w := range map[string]idempotency.ClaimRequest{
		"released": {}, "kept in flight": {RefusedLease: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			hang := fault{hangs: 5 * time.Second}
			withFaults(t, always(on("release", "a", hang)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
				lease := acquire(t, g, "b")
				start := time.Now()
				w := w
				w.Keys, w.WaitUntil = []string{"a", "b"}, start.Add(3*time.Second)
				require.Equal(t, idempotency.InFlight, refused(t, g, w).State)
				require.Equal(t, 3250*time.Millisecond, time.Since(start), "the remaining work is done in the background")
				require.NoError(t, lease.Complete(t.Context()))
				store.change(nil)
				require.NoError(t, g.Wait(t.Context()))
				time.Sleep(time.Minute)
				want := idempotency.Acquired
				if w.RefusedLease > 0 {
					want = idempotency.InFlight
				}
				require.Equal(t, want, store.look(t, "a"))
			})
		})
	}
}

func TestWaitEndsWithItsContextAndSaysWhatIsLeft(t *testing.T) {
	plan := func() func(call) fault { return during(10*time.Second, "complete", errDown) }
	withFaults(t, plan, func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
		require.NoError(t, g.Wait(t.Context()), "no retry is pending")
		require.Error(t, acquire(t, g, "a").Complete(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "still pending in the store")
		require.NoError(t, g.Wait(t.Context()))
		require.Equal(t, idempotency.Completed, store.look(t, "a"))
	})
}

func TestNoGoroutineIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		store := newFaultyStore(t, func(c call) fault {
			return []fault{{}, {err: errDown}, {lost: errDown}, {hangs: 2 * time.Second}, {panics: "boom"}}[(c.n+len(c.method))%5]
		})
		g := newGuard(t, store, nil)
		for range 50 {
			_, _ = g.Do(t.Context(), "a", fail)
			_, _ = g.Do(t.Context(), "b", succeed)
			lease, _, _ := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"c", "b"}, Lease: time.Minute, RefusedLease: time.Hour})
			if lease != nil {
				_ = lease.Release(t.Context())
			}
		}
		require.NoError(t, g.Wait(t.Context()))
		time.Sleep(2 * time.Second) // for calls that hang
	})
}
