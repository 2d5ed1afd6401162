package idempotency_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

func TestAllKeysAreHeldAndCompletedTogether(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		lease := acquire(t, newGuard(t, store, nil), "a", "b", "c")
		for _, key := range []string{"a", "b", "c"} {
			require.Equal(t, idempotency.InFlight, look(t, store, key))
		}
		claims, ok := idempotency.ClaimsFromContext(lease.Context(t.Context()))
		require.True(t, ok)
		require.Equal(t, []string{"a", "b", "c"}, claims.Keys)
		require.NoError(t, lease.Complete(t.Context()))
		for _, key := range []string{"a", "b", "c"} {
			require.Equal(t, idempotency.Completed, look(t, store, key))
		}
	})
}

func TestAllKeysAreReleasedTogether(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		require.NoError(t, acquire(t, g, "a", "b").Release(t.Context()))
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
		require.Equal(t, idempotency.Acquired, look(t, store, "b"))
	})
}

func TestAKeyThatIsNamedTwiceIsClaimedOnce(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		lease := acquire(t, newGuard(t, store, nil), "a", "b", "a", "b")
		require.Equal(t, 1, lease.Attempt())
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestALaterKeyFoundCompletedCompletesThoseBeforeIt(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		require.NoError(t, acquire(t, g, "c").Complete(t.Context()))
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "b", "c"}, RefusedLease: time.Hour})
		require.Equal(t, idempotency.Completed, claim.State)
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
		require.Equal(t, idempotency.Completed, look(t, store, "b"))
	})
}

func TestALaterKeyInFlightElsewhereReleasesThoseBeforeIt(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		lease := acquire(t, newGuard(t, store, nil), "c")
		g := newGuard(t, store, nil)
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "b", "c"}})
		require.Equal(t, idempotency.Claim{State: idempotency.InFlight, Remaining: time.Minute}, claim)
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
		require.Equal(t, idempotency.Acquired, look(t, store, "b"))
		require.NoError(t, lease.Release(t.Context()))
		require.NoError(t, acquire(t, g, "a", "b", "c").Complete(t.Context()))
	})
}

func TestALaterKeyThatRunsHereIsWaitedForWhileThoseBeforeItAreHeld(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquire(t, g, "b")
		done := make(chan idempotency.State)
		go func() {
			_, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute})
			assert.NoError(t, err)
			done <- claim.State
		}()
		synctest.Wait()
		require.Equal(t, idempotency.InFlight, look(t, store, "a"))
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a"}})
		require.Equal(t, idempotency.InFlight, claim.State)
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, <-done)
		require.Equal(t, idempotency.Completed, look(t, store, "a"))
	})
}

func TestALaterKeyIsNotWaitedForLongerThanTheOthersAreHeld(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquire(t, g, "b")
		start := time.Now()
		_, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: 10 * time.Second})
		require.NoError(t, err)
		require.Equal(t, idempotency.InFlight, claim.State)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.NoError(t, lease.Complete(t.Context()))
	})
}

func TestTwinsOfAWorkThatWasRefusedAsCompletedLearnThat(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquire(t, g, "b")
		states := make(chan idempotency.State, 2)
		for range 2 {
			go func() {
				_, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute})
				assert.NoError(t, err)
				states <- claim.State
			}()
			synctest.Wait()
		}
		require.NoError(t, lease.Complete(t.Context()))
		require.Equal(t, idempotency.Completed, <-states)
		require.Equal(t, idempotency.Completed, <-states)
	})
}

func TestWithARefusedLeaseTheKeysBeforeStayInFlightThatLong(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		first := acquire(t, newGuard(t, store, nil), "b")
		g := newGuard(t, store, nil)
		start := time.Now()
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "b"}, RefusedLease: time.Hour})
		require.Equal(t, idempotency.InFlight, claim.State)
		require.NoError(t, first.Release(t.Context()))

		claim = refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "c"}, RefusedLease: time.Hour})
		require.Equal(t, idempotency.InFlight, claim.State, "the same work under another key")
		require.NoError(t, acquire(t, g, "b").Release(t.Context()), "the other key is free")
		time.Sleep(time.Hour - time.Since(start) - 1)
		require.Equal(t, idempotency.InFlight, look(t, store, "a"))
		time.Sleep(1)
		require.Equal(t, idempotency.Acquired, look(t, store, "a"))
	})
}

func TestARefusedLeaseOutlastsAReleaseThatComesLate(t *testing.T) {
	for name, f := range map[string]fault{
		"its response was lost": {lost: errDown},
		"it fails once":         {err: errDown},
		"it hangs":              {hangs: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, on("release", "a", f, 1))
				lease := acquire(t, newGuard(t, store, nil), "b")
				g := newGuard(t, store, nil)
				claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "b"}, RefusedLease: time.Hour})
				require.Equal(t, idempotency.InFlight, claim.State)
				require.NoError(t, g.Wait(t.Context()))
				time.Sleep(30 * time.Minute)
				require.Equal(t, idempotency.InFlight, store.look(t, "a"))
				require.NoError(t, lease.Complete(t.Context()))
			})
		})
	}
}

func TestARefusedLeaseIsTriedAgainWhenTheStoreDoesNotGrantIt(t *testing.T) {
	for name, f := range map[string]fault{
		"its response was lost": {lost: errDown},
		"it fails":              {err: errDown},
		"it hangs":              {hangs: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, on("claim", "a", f, 2))
				lease := acquire(t, newGuard(t, store, nil), "b")
				g := newGuard(t, store, nil)
				claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a", "b"}, RefusedLease: time.Hour})
				require.Equal(t, idempotency.InFlight, claim.State)
				require.NoError(t, g.Wait(t.Context()))
				time.Sleep(30 * time.Minute)
				require.Equal(t, idempotency.InFlight, store.look(t, "a"))
				require.NoError(t, lease.Complete(t.Context()))
			})
		})
	}
}

func TestOneLostKeyDoesNotKeepTheOthersFromBeingCompleted(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		lease := acquire(t, g, "a", "b")
		time.Sleep(2 * time.Minute)
		other := acquire(t, newGuard(t, store, nil), "a")
		require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
		require.Equal(t, idempotency.Completed, look(t, store, "b"), "the work is done, although another claim has the other key")
		require.Equal(t, idempotency.InFlight, look(t, store, "a"))
		require.NoError(t, other.Release(t.Context()))
	})
}

func TestAKeyThatCanBeCompletedLaterIsTriedAgainBesideALostOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, on("complete", "b", fault{err: errDown}, 1, 2))
		lease := acquire(t, newGuard(t, store, nil), "a", "b", "c")
		require.NoError(t, store.Store.Release(t.Context(), "a", store.tokens["a"][0]))
		require.ErrorIs(t, lease.Complete(t.Context()), errDown)
		require.Equal(t, idempotency.Completed, store.look(t, "c"))
		require.ErrorIs(t, lease.Settled(), idempotency.ErrLeaseLost, "a was lost")
		require.Equal(t, idempotency.Completed, store.look(t, "b"))
	})
}

func TestReleasingTwiceDoesNotFreeWhatSomebodyElseRuns(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		first := acquire(t, g, "a")
		require.NoError(t, first.Release(t.Context()))
		second := acquire(t, g, "a")
		require.NoError(t, first.Release(t.Context()), "a wrong call")
		time.Sleep(2 * time.Minute) // past the lease, so that only the guard excludes duplicates
		claim := refused(t, g, idempotency.ClaimRequest{Keys: []string{"a"}})
		require.Equal(t, idempotency.InFlight, claim.State)
		require.NoError(t, second.Complete(t.Context()))
	})
}

func TestAcquire_OtherTagIsReported(t *testing.T) {
	inBubbles(t, func(t *testing.T, store idempotency.Store) {
		g := newGuard(t, store, nil)
		work := func(tag uint16) idempotency.ClaimRequest {
			return idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute, Tag: tag}
		}
		lease, _, err := g.Acquire(t.Context(), work(1))
		require.NoError(t, err)
		require.False(t, refused(t, g, work(2)).OtherTag, "in flight")
		waited := make(chan idempotency.Claim)
		go func() {
			_, claim, _ := g.Acquire(t.Context(), work(2))
			waited <- claim
		}()
		synctest.Wait()
		require.NoError(t, lease.Complete(t.Context()))
		require.True(t, (<-waited).OtherTag, "it waited for the other work")
		lease, _, err = g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"c"}, Lease: time.Minute, Tag: 2})
		require.NoError(t, err)
		require.NoError(t, lease.Complete(t.Context()))
		require.True(t, refused(t, g, idempotency.ClaimRequest{Keys: []string{"c"}, Tag: 1}).OtherTag)
		for _, g := range []*idempotency.Guard{g, newGuard(t, store, nil)} {
			require.False(t, refused(t, g, work(1)).OtherTag)
			require.True(t, refused(t, g, work(2)).OtherTag)
			require.False(t, refused(t, g, work(0)).OtherTag, "it has no tag")
		}
	})
}

// It is known in this process before the store has it.
func TestAcquire_OtherTagOfUnmarkedWorkIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, newFaultyStore(t, during(10*time.Second, "complete", errDown)), nil)
		work := func(tag uint16) idempotency.ClaimRequest {
			return idempotency.ClaimRequest{Keys: []string{"a"}, Lease: time.Minute, Tag: tag}
		}
		lease, _, err := g.Acquire(t.Context(), work(1))
		require.NoError(t, err)
		require.ErrorIs(t, lease.Complete(t.Context()), errDown)
		require.Equal(t, idempotency.Claim{State: idempotency.Completed}, refused(t, g, work(1)))
		require.Equal(t, idempotency.Claim{State: idempotency.Completed, OtherTag: true}, refused(t, g, work(2)))
		require.NoError(t, lease.Settled())
	})
}
