package idempotency_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// slow is longer than the timeout of a call.
const slow = idempotency.DefaultCallTimeout * 3 / 2

// renewalFaults are the ways in which a renewal can fail.
var renewalFaults = map[string]fault{
	"fails":           {err: errDown},
	"takes no effect": {err: context.DeadlineExceeded},
	"loses responses": {lost: errDown},
	"hangs":           {hangs: time.Hour},
	"is slow":         {hangs: slow},
	"panics":          {panics: "boom"},
}

// TestRenewal_SurvivesOutageShorterThanLease also checks that the leases of several keys stay in their order.
func TestRenewal_SurvivesOutageShorterThanLease(t *testing.T) {
	for name, f := range renewalFaults {
		for _, key := range []string{"a", "b", "c"} {
			t.Run(name+" for "+key, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFaultyStore(t, nil)
					g := newGuard(t, store, nil)
					lease := acquireRenewed(t, g, time.Hour, "a", "b", "c")
					ctx := lease.Context(t.Context())
					for range 5 {
						store.change(on("renew", key, f))
						for range 15 {
							time.Sleep(time.Second)
							synctest.Wait() // so that all keys are looked at between two renewals
							a, b, c := remaining(t, store, "a"), remaining(t, store, "b"), remaining(t, store, "c")
							if f.hangs != slow { // a call that takes effect past its timeout may extend a later lease more
								require.Greater(t, a, b)
								require.Greater(t, b, c)
							}
							require.GreaterOrEqual(t, c, time.Until(lease.Until()))
						}
						store.change(nil)
						time.Sleep(15 * time.Second)
					}
					require.NoError(t, ctx.Err())
					require.NoError(t, lease.Complete(t.Context()))
					require.NoError(t, g.Wait(t.Context()))
					time.Sleep(time.Hour) // for calls that hang
				})
			})
		}
	}
}

// TestRenewal_EndsContextNoLaterThanLease checks that work ends before another process can start it, even if the store hangs.
func TestRenewal_EndsContextNoLaterThanLease(t *testing.T) {
	for name, f := range renewalFaults {
		for _, timeout := range []time.Duration{idempotency.DefaultCallTimeout, 7 * time.Second, time.Hour} {
			if f.hangs == slow && timeout > slow {
				continue // then it is no fault
			}
			t.Run(name+", timeout "+timeout.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFaultyStore(t, nil)
					g := newGuard(t, store, &idempotency.GuardOptions{CallTimeout: timeout})
					lease := acquireRenewed(t, g, time.Hour, "a", "b")
					ctx, other := lease.Context(t.Context()), lease.Context(t.Context())
					time.Sleep(10 * renewedLease)
					synctest.Wait()
					end := lease.Until()
					store.change(on("renew", "b", f))
					before := store.made("renew", "b")
					<-ctx.Done()
					require.Equal(t, end, time.Now())
					require.Equal(t, end, lease.Until())
					require.Equal(t, idempotency.ErrLeaseLost, context.Cause(ctx))
					require.Equal(t, idempotency.ErrLeaseLost, context.Cause(other))
					tries := store.made("renew", "b") - before
					if timeout == idempotency.DefaultCallTimeout {
						require.Greater(t, tries, 5, "it was tried again")
					}
					require.Less(t, tries, 25, "a store that is down is not overloaded")
					require.NoError(t, g.Wait(t.Context()), "nothing waits for the store")
					require.NoError(t, lease.Complete(t.Context()), "no other claim took the keys")
					time.Sleep(time.Hour) // for calls that hang
					require.Equal(t, idempotency.Completed, store.look(t, "b"))
				})
			})
		}
	}
}

// TestRenewal_PausesBetweenTries checks when a failed renewal is tried again. A pause is a twentieth of the lease, so that a
// short lease survives a fault, and at most two seconds. There is no call at the end of the lease, because it would extend a
// lease whose work has just been stopped.
func TestRenewal_PausesBetweenTries(t *testing.T) {
	for duration, pause := range map[time.Duration]time.Duration{
		9 * time.Second: 450 * time.Millisecond,
		9 * time.Minute: 2 * time.Second,
	} {
		t.Run(duration.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got, want []time.Duration
				store := newFaultyStore(t, func(c call) fault {
					if c.method != "renew" {
						return fault{}
					}
					got = append(got, time.Since(start))
					return fault{err: errDown}
				})
				request := idempotency.ClaimRequest{Keys: []string{"a"}, Lease: duration, RenewUntil: start.Add(time.Hour)}
				lease, _, err := newGuard(t, store, nil).Acquire(t.Context(), request)
				require.NoError(t, err)
				<-lease.Context(t.Context()).Done()
				synctest.Wait()
				for at := duration / 3; at < duration; at += pause {
					want = append(want, at)
				}
				require.Equal(t, want, got)
				require.NoError(t, lease.Complete(t.Context()))
			})
		})
	}
}

func TestRenewal_EndsContextOnceLeaseIsLost(t *testing.T) {
	for name, key := range map[string]string{"the only": "a", "the first": "a", "the last": "b"} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, func(t *testing.T, store idempotency.Store) {
				keys := []string{"a", "b"}
				if name == "the only" {
					keys = keys[:1]
				}
				g := newGuard(t, store, nil)
				lease := acquireRenewed(t, g, time.Hour, keys...)
				ctx := lease.Context(t.Context())
				claims, _ := idempotency.ClaimsFromContext(ctx)
				time.Sleep(time.Minute)
				require.NoError(t, ctx.Err())
				require.NoError(t, store.Release(t.Context(), key, claims.Token)) // as if the store had restarted without it
				fresh := idempotency.NewToken()
				claim, err := store.Claim(t.Context(), key, fresh, time.Hour)
				require.NoError(t, err)
				require.Equal(t, idempotency.Acquired, claim.State)
				lost := time.Now()
				<-ctx.Done()
				require.LessOrEqual(t, time.Since(lost), renewedLease/3, "the next renewal reports it")
				require.Equal(t, idempotency.ErrLeaseLost, context.Cause(ctx))
				require.NoError(t, g.Wait(t.Context()))
				require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
				require.NoError(t, store.Complete(t.Context(), key, fresh), "the other claim is not affected")
			})
		})
	}
}

// TestRenewal_DoesNotDelayTheWorksEnd ends work while a renewal runs or hangs.
func TestRenewal_DoesNotDelayTheWorksEnd(t *testing.T) {
	for name, end := range map[string]func(*idempotency.Lease, context.Context) error{
		"completed": (*idempotency.Lease).Complete, "released": (*idempotency.Lease).Release,
	} {
		for _, hangs := range []time.Duration{500 * time.Millisecond, time.Hour} {
			t.Run(name+" "+hangs.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newFaultyStore(t, on("renew", "a", fault{hangs: hangs}))
					g := newGuard(t, store, nil)
					lease := acquireRenewed(t, g, time.Hour, "a")
					time.Sleep(renewedLease/3 + 100*time.Millisecond)
					require.Equal(t, 1, store.made("renew", "a"))
					start := time.Now()
					require.NoError(t, end(lease, t.Context()))
					require.Zero(t, time.Since(start))
					require.NoError(t, g.Wait(t.Context()))
					require.Less(t, time.Since(start), time.Second, "for the renewal")
					require.Less(t, lease.Until(), start.Add(renewedLease), "a late renewal changes nothing")
					time.Sleep(time.Hour)
					require.Equal(t, 1, store.made("renew", "a"))
					want := map[string]idempotency.State{"completed": idempotency.Completed, "released": idempotency.Acquired}[name]
					require.Equal(t, want, store.look(t, "a"))
				})
			})
		}
	}
}
