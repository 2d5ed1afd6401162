package idempotency_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

var errDown = errors.New("the store is down")

// A call is a call to the store. n counts the calls of the method for the key, from 1.
type call struct {
	method, key string
	n           int
}

// A fault is injected into a call.
type fault struct {
	err    error         // returned without effect
	lost   error         // returned although the call took effect
	hangs  time.Duration // delay before the call takes effect; ignores the context
	panics any
}

// A faultyStore is a memory store with planned faults. It is not a *Memory, so a Guard sets deadlines for its calls.
type faultyStore struct {
	idempotency.Store

	mu     sync.Mutex
	plan   func(call) fault // nil means no faults
	counts map[call]int
	tokens map[string][]idempotency.Token // tokens of the claims, by key
}

func newFaultyStore(t testing.TB, plan func(call) fault) *faultyStore {
	return &faultyStore{Store: newMemory(t, nil), plan: plan, counts: make(map[call]int), tokens: make(map[string][]idempotency.Token)}
}

func (s *faultyStore) do(ctx context.Context, method, key string, effect func(context.Context) error) error {
	s.mu.Lock()
	c := call{method: method, key: key}
	s.counts[c]++
	c.n = s.counts[c]
	plan := s.plan
	s.mu.Unlock()
	var f fault
	if plan != nil {
		f = plan(c)
	}
	if f.hangs > 0 {
		time.Sleep(f.hangs)
		ctx = context.WithoutCancel(ctx)
	}
	if f.panics != nil {
		panic(f.panics)
	}
	if f.err != nil {
		return f.err
	}
	if err := effect(ctx); err != nil {
		return err
	}
	return f.lost
}

func (s *faultyStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (claim idempotency.Claim, err error) {
	err = s.do(ctx, "claim", key, func(ctx context.Context) (err error) {
		s.mu.Lock()
		s.tokens[key] = append(s.tokens[key], token)
		s.mu.Unlock()
		claim, err = s.Store.Claim(ctx, key, token, lease)
		return err
	})
	return claim, err
}

func (s *faultyStore) Complete(ctx context.Context, key string, token idempotency.Token) error {
	return s.do(ctx, "complete", key, func(ctx context.Context) error { return s.Store.Complete(ctx, key, token) })
}

func (s *faultyStore) Release(ctx context.Context, key string, token idempotency.Token) error {
	return s.do(ctx, "release", key, func(ctx context.Context) error { return s.Store.Release(ctx, key, token) })
}

func (s *faultyStore) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	return s.do(ctx, "renew", key, func(ctx context.Context) error {
		return s.Store.(idempotency.Renewer).Renew(ctx, key, token, lease)
	})
}

// A plainStore hides the Renewer in a store.
type plainStore struct{ idempotency.Store }

// change replaces the plan. A nil plan removes the faults.
func (s *faultyStore) change(plan func(call) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = plan
}

// made returns how often the method was called for the key.
func (s *faultyStore) made(method, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[call{method: method, key: key}]
}

// look returns the state of a key without changing it. Acquired means that the key is free.
func (s *faultyStore) look(t testing.TB, key string) idempotency.State {
	t.Helper()
	return look(t, s.Store, key)
}

func look(t testing.TB, store idempotency.Store, key string) idempotency.State {
	t.Helper()
	token := idempotency.NewToken()
	claim, err := store.Claim(t.Context(), key, token, time.Hour)
	require.NoError(t, err)
	require.NoError(t, store.Release(t.Context(), key, token))
	return claim.State
}

// on returns a plan: the listed calls of the method for the key have the fault, or all calls if none is listed.
func on(method, key string, f fault, nth ...int) func(call) fault {
	return func(c call) fault {
		if c.method == method && c.key == key && (len(nth) == 0 || slices.Contains(nth, c.n)) {
			return f
		}
		return fault{}
	}
}

// during returns a plan: calls of the method fail for every key until d has passed.
func during(d time.Duration, method string, err error) func(call) fault {
	start := time.Now()
	return func(c call) fault {
		if c.method == method && time.Since(start) < d {
			return fault{err: err}
		}
		return fault{}
	}
}

func newGuard(t testing.TB, store idempotency.Store, o *idempotency.GuardOptions) *idempotency.Guard {
	t.Helper()
	g, err := idempotency.NewGuard(store, o)
	require.NoError(t, err)
	return g
}

// acquire acquires keys for a minute, which must succeed.
func acquire(t testing.TB, g *idempotency.Guard, keys ...string) *idempotency.Lease {
	t.Helper()
	lease, claim, err := g.Acquire(t.Context(), idempotency.ClaimRequest{Keys: keys, Lease: time.Minute})
	require.NoError(t, err)
	require.Equal(t, idempotency.Acquired, claim.State)
	require.Equal(t, claim.Attempt, lease.Attempt())
	return lease
}

// refused tries to acquire keys for a minute without waiting, and returns the claim, which must not be acquired.
func refused(t testing.TB, g *idempotency.Guard, w idempotency.ClaimRequest) idempotency.Claim {
	t.Helper()
	w.Lease = time.Minute
	if w.WaitUntil.IsZero() {
		w.WaitUntil = time.Now().Add(time.Millisecond)
	}
	lease, claim, err := g.Acquire(t.Context(), w)
	require.NoError(t, err)
	require.Nil(t, lease)
	return claim
}
