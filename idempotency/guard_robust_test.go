package idempotency_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A wrongStore returns the given claims first, and then real ones.
type wrongStore struct {
	idempotency.Store
	wrong []idempotency.Claim
}

func (s *wrongStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	claim, err := s.Store.Claim(ctx, key, token, lease)
	if len(s.wrong) > 0 {
		claim, s.wrong = s.wrong[0], s.wrong[1:]
	}
	return claim, err
}

func TestGuard_ReportsUnknownStateAsStoreError(t *testing.T) {
	for _, wrong := range []idempotency.State{0, 4, math.MaxUint8} {
		synctest.Test(t, func(t *testing.T) {
			right := idempotency.Claim{State: idempotency.Acquired, Attempt: 1}
			store := &wrongStore{newMemory(t, nil), []idempotency.Claim{right, {State: wrong, Attempt: 1}}}
			g := newGuard(t, store, nil)
			lease, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b", "c"}, Lease: time.Minute})
			require.Nil(t, lease)
			require.Equal(t, idempotency.Claim{}, claim)
			require.EqualError(t, err, fmt.Sprintf("idempotency: store: Claim returned State %d, which must be Acquired, InFlight or Completed", wrong))
			require.NoError(t, g.Wait(t.Context()))
			for _, key := range []string{"a", "b", "c"} {
				require.Equal(t, idempotency.Acquired, look(t, store, key), "it was released")
			}
			require.NoError(t, acquire(t, g, "a", "b", "c").Complete(t.Context()))
		})
	}
}

// A count is at least one if the key was acquired, and means nothing if it was not.
func TestGuard_CountsOfWrongStores(t *testing.T) {
	store := &wrongStore{newMemory(t, nil), []idempotency.Claim{
		{State: idempotency.Acquired, Attempt: 0}, {State: idempotency.InFlight, Attempt: 7},
	}}
	g := newGuard(t, store, nil)
	require.Equal(t, 1, acquire(t, g, "a").Attempt())
	n, err := g.Count(t.Context(), "b", time.Minute)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestGuard_LongLeasesDoNotOverflow(t *testing.T) {
	for name, c := range map[string]struct {
		options idempotency.GuardOptions
		lease   time.Duration
	}{
		"the lease":          {lease: math.MaxInt64},
		"a little less":      {lease: math.MaxInt64 - 1500*time.Millisecond},
		"the call's timeout": {options: idempotency.GuardOptions{CallTimeout: math.MaxInt64}, lease: time.Minute},
		"half of it":         {options: idempotency.GuardOptions{CallTimeout: math.MaxInt64/2 + 1}, lease: time.Minute},
		"both":               {options: idempotency.GuardOptions{CallTimeout: math.MaxInt64}, lease: math.MaxInt64},
		"all":                {options: idempotency.GuardOptions{CallTimeout: math.MaxInt64, Lease: math.MaxInt64, Margin: math.MaxInt64 - 1}, lease: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, nil)
				g := newGuard(t, store, &c.options)
				lease, _, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{"a", "b", "c", "d"}, Lease: c.lease})
				require.NoError(t, err)
				for _, key := range []string{"a", "b", "c", "d"} {
					require.Equal(t, idempotency.InFlight, store.look(t, key))
				}
				require.NoError(t, lease.Complete(t.Context()))
				state, err := g.Do(t.Context(), "e", succeed)
				require.NoError(t, err)
				require.Equal(t, idempotency.Acquired, state)
			})
		})
	}
}

func TestAcquire_ClaimsKeysAfterRepeatedOne(t *testing.T) {
	for _, keys := range [][]string{{"a", "a", "b"}, {"a", "b", "a", "c"}, {"a", "b", "b", "b", "c", "a", "d"}} {
		inBubbles(t, func(t *testing.T, store idempotency.Store) {
			g := newGuard(t, store, nil)
			lease := acquire(t, g, keys...)
			for _, key := range keys {
				require.Equal(t, idempotency.InFlight, look(t, store, key), key)
			}
			require.NoError(t, lease.Release(t.Context()))
			require.NoError(t, acquire(t, g, keys...).Complete(t.Context()))
			for _, key := range keys {
				require.Equal(t, idempotency.Completed, look(t, store, key), key)
			}
		})
	}
}

// A lost lease must not make waiting callers in this process treat the work as completed. The new holder may still fail.
func TestLease_CompletesNothingOnceLost(t *testing.T) {
	for name, end := range map[string]func(*idempotency.Lease, context.Context) error{
		"another runs it": nil, "another failed": (*idempotency.Lease).Release, "another completed it": (*idempotency.Lease).Complete,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newFaultyStore(t, nil)
				g := newGuard(t, store, nil)
				lease := acquire(t, g, "a")
				ran := false
				waiting := goDo(t, g, t.Context(), "a", func(context.Context) error { ran = true; return nil })
				time.Sleep(2 * time.Minute)
				other := acquire(t, newGuard(t, store, nil), "a")
				if end != nil {
					require.NoError(t, end(other, t.Context()))
				}
				if name == "another completed it" {
					require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
					require.Equal(t, idempotency.Completed, (<-waiting).state, "by the store")
					require.Equal(t, 3, store.made("claim", "a"))
					return
				}
				require.ErrorIs(t, lease.Complete(t.Context()), idempotency.ErrLeaseLost)
				want := idempotency.Acquired
				if end == nil {
					want = idempotency.InFlight
				}
				require.Equal(t, want, (<-waiting).state)
				require.Equal(t, end != nil, ran)
				if end == nil {
					require.NoError(t, other.Release(t.Context()))
					state, err := g.Do(t.Context(), "a", succeed)
					require.NoError(t, err)
					require.Equal(t, idempotency.Acquired, state, "the guard does not remember it as completed")
				}
			})
		})
	}
}

// A crowdedStore counts how many calls run at once, from a given time.
type crowdedStore struct {
	*faultyStore
	mu        sync.Mutex
	now, most int
}

func (s *crowdedStore) enter() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	s.most = max(s.most, s.now)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}
}

func (s *crowdedStore) Complete(ctx context.Context, key string, token idempotency.Token) error {
	if s.made("complete", key) > 0 { // the first try is the caller's, and is not limited
		defer s.enter()()
	}
	return s.faultyStore.Complete(ctx, key, token)
}

func (s *crowdedStore) Release(ctx context.Context, key string, token idempotency.Token) error {
	defer s.enter()()
	return s.faultyStore.Release(ctx, key, token)
}

// A store that recovers gets at most 8 retries at once, and all of them in the end.
func TestGuard_LimitsConcurrentRetries(t *testing.T) {
	const works, turns = 50, 8
	slow := 500 * time.Millisecond
	for name, c := range map[string]struct {
		plan func(call) fault
		work func(t *testing.T, g *idempotency.Guard, key string)
		want idempotency.State
	}{
		"completions": {
			func(c call) fault {
				switch {
				case c.method != "complete":
					return fault{}
				case c.n == 1:
					return fault{err: errDown}
				default:
					return fault{hangs: slow}
				}
			},
			func(t *testing.T, g *idempotency.Guard, key string) {
				require.ErrorIs(t, acquire(t, g, key).Complete(t.Context()), errDown)
			},
			idempotency.Completed,
		},
		"releases of lost claims": {
			func(c call) fault {
				switch {
				case c.method == "claim" && c.n == 1:
					return fault{lost: errDown}
				case c.method == "release":
					return fault{hangs: slow}
				default:
					return fault{}
				}
			},
			func(t *testing.T, g *idempotency.Guard, key string) {
				_, _, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: []string{key}, Lease: time.Hour})
				require.ErrorIs(t, err, errDown)
			},
			idempotency.Acquired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &crowdedStore{faultyStore: newFaultyStore(t, c.plan)}
				g := newGuard(t, store, nil)
				for i := range works {
					c.work(t, g, fmt.Sprint(i))
				}
				require.NoError(t, g.Wait(t.Context()))
				require.Equal(t, turns, store.most)
				store.change(nil)
				for i := range works {
					require.Equal(t, c.want, store.look(t, fmt.Sprint(i)))
				}
			})
		})
	}
}

// A panickyLog panics at every line.
type panickyLog struct{ slog.Handler }

func (panickyLog) Enabled(context.Context, slog.Level) bool  { return true }
func (panickyLog) Handle(context.Context, slog.Record) error { panic("the disk is full") }

func TestMemory_SurvivesALoggerThatPanics(t *testing.T) {
	m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 1, Logger: slog.New(panickyLog{slog.DiscardHandler})})
	require.NoError(t, acquire(t, newGuard(t, m, nil), "a").Complete(t.Context()))
}
