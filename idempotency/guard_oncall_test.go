package idempotency_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// calls records what GuardOptions.OnCall gets.
type calls struct {
	mu      sync.Mutex
	methods []string
	took    []time.Duration
	errs    []error
}

func (c *calls) add(method string, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.methods, c.took, c.errs = append(c.methods, method), append(c.took, took), append(c.errs, err)
}

func TestGuard_ReportsCallsToStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaultyStore(t, func(call) fault { return fault{hangs: 20 * time.Millisecond} })
		got := new(calls)
		g := newGuard(t, store, &idempotency.GuardOptions{OnCall: got.add})
		require.NoError(t, acquire(t, g, "a").Complete(t.Context()))
		require.NoError(t, acquire(t, g, "b").Release(t.Context()))
		state, err := g.Do(t.Context(), "c", func(context.Context) error {
			time.Sleep(idempotency.DefaultLease / 2) // one renewal
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, idempotency.Acquired, state)
		require.Equal(t, []string{"claim", "complete", "claim", "release", "claim", "renew", "complete"}, got.methods)
		for i := range got.took {
			require.Equal(t, 20*time.Millisecond, got.took[i])
			require.NoError(t, got.errs[i])
		}
		reported := len(got.errs)
		store.change(func(call) fault { return fault{err: errDown} })
		_, _, err = g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"d"}, Lease: time.Minute})
		require.ErrorIs(t, err, errDown)
		store.change(nil)
		require.NoError(t, g.Wait(t.Context())) // the release of what may have been claimed is reported later
		require.ErrorIs(t, got.errs[reported], errDown)
	})
}

func TestGuard_SurvivesPanicOfOnCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, newFaultyStore(t, nil), &idempotency.GuardOptions{OnCall: func(string, time.Duration, error) { panic(errors.New("on purpose")) }})
		require.NoError(t, acquire(t, g, "a").Complete(t.Context()))
	})
}
