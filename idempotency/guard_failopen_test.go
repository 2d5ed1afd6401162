package idempotency_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

func TestFailOpenRunsUnguardedAndTellsTheStoreNothing(t *testing.T) {
	for _, down := range []string{"a", "b"} {
		for name, settle := range map[string]func(*idempotency.Lease, context.Context) error{
			"complete": (*idempotency.Lease).Complete, "release": (*idempotency.Lease).Release,
		} {
			t.Run(down+"/"+name, func(t *testing.T) {
				withFaults(t, always(on("claim", down, fault{lost: errDown}, 1)), func(t *testing.T, g *idempotency.Guard, store *faultyStore) {
					work := idempotency.ClaimRequest{Keys: []string{"a", "b"}, Lease: time.Minute, FailOpen: true}
					lease, claim, err := g.Acquire(t.Context(), work)
					require.NoError(t, err)
					require.Equal(t, idempotency.Claim{State: idempotency.Acquired, Attempt: 1}, claim)
					require.True(t, lease.FailedOpen())
					_, ok := idempotency.ClaimsFromContext(lease.Context(t.Context()))
					require.False(t, ok, "no claims when failed open")
					require.Equal(t, idempotency.InFlight, refused(t, g, work).State, "runs once at a time in this process")
					require.NoError(t, g.Wait(t.Context()))
					require.NoError(t, settle(lease, t.Context()))
					require.Zero(t, store.made("complete", "a")+store.made("complete", "b"))
					require.Equal(t, idempotency.Acquired, store.look(t, "a"), "a possible claim is released")
					require.Equal(t, idempotency.Acquired, store.look(t, "b"))
					guarded := acquire(t, g, "a", "b")
					require.False(t, guarded.FailedOpen())
					require.NoError(t, guarded.Complete(t.Context()))
				})
			})
		}
	}
}

// A slow store is not unavailable. The work must not fail open only because there was no time left to call the store.
func TestFailOpenDoesNotRunWhatHasNoTimeLeftToAskTheStore(t *testing.T) {
	for name, c := range map[string]struct{ waitUntil, ctx time.Duration }{
		"the waiting ends":  {200 * time.Millisecond, time.Hour},
		"the context ends":  {time.Hour, 200 * time.Millisecond},
		"it ended long ago": {-time.Second, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, on("claim", "a", fault{hangs: 300 * time.Millisecond}))
				g := newGuard(t, store, nil)
				ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
				defer cancel()
				lease, _, err := g.Acquire(ctx, idempotency.ClaimRequest{
					Keys: []string{"a"}, Lease: time.Minute, WaitUntil: time.Now().Add(c.waitUntil), FailOpen: true,
				})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Nil(t, lease)
				require.NoError(t, g.Wait(t.Context()))
				require.Equal(t, idempotency.Acquired, store.look(t, "a"))
			})
		})
	}
}
