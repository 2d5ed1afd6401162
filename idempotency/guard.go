package idempotency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The defaults of [GuardOptions].
const (
	DefaultLease       = 40 * time.Second
	DefaultMargin      = 10 * time.Second
	DefaultCallTimeout = time.Second
	DefaultMaxWaiters  = 2
)

// GuardOptions configure a [Guard]. The zero value of each field stands for its default.
type GuardOptions struct {
	// Lease is for how long [Guard.Do] claims a key: longer than any run, as short as a crash may delay the next try.
	// Defaults to [DefaultLease].
	Lease time.Duration

	// Margin is how long before the end of the lease the context of a run given to [Guard.Do] ends, so that there is
	// time left to complete. What could not be completed or released is tried again for at least as long.
	// Must be shorter than Lease. Defaults to [DefaultMargin].
	Margin time.Duration

	// CallTimeout bounds one call to the store. A store that has not answered by then is down.
	// Defaults to [DefaultCallTimeout].
	CallTimeout time.Duration

	// MaxWaiters is how many callers may wait at once for a run of the same key in this process; a further one is
	// told at once that the key is in flight. Negative: nobody waits. Defaults to [DefaultMaxWaiters].
	MaxWaiters int
}

// A Guard runs work at most once at a time for each key, and not again once it was completed.
//
// Within one Guard a key never runs twice at once, lease or no lease. Elsewhere, on the same store, it may run once
// the lease has ended; then exactly one of the two can complete it.
type Guard struct {
	store   Store
	lease   time.Duration
	margin  time.Duration
	timeout time.Duration
	waiters int
	direct  bool // the store cannot hang, so that its calls need no deadline

	mu      sync.Mutex
	flights map[string]*flight

	background sync.WaitGroup
	turns      chan struct{} // those that are tried again take turns: a store that comes back must not be overrun
}

// NewGuard returns a guard over store. Nil options are the defaults.
func NewGuard(store Store, o *GuardOptions) (*Guard, error) {
	if store == nil {
		return nil, errors.New("idempotency: a Guard needs a Store")
	}
	if o == nil {
		o = new(GuardOptions)
	}
	g := &Guard{
		store:   store,
		lease:   orDefault(o.Lease, DefaultLease),
		margin:  orDefault(o.Margin, DefaultMargin),
		timeout: orDefault(o.CallTimeout, DefaultCallTimeout),
		waiters: orDefault(o.MaxWaiters, DefaultMaxWaiters),
		flights: make(map[string]*flight),
		turns:   make(chan struct{}, maxTurns),
	}
	_, g.direct = store.(*Memory)
	switch {
	case g.lease < 0 || g.margin < 0 || g.timeout < 0:
		return nil, errors.New("idempotency: GuardOptions.Lease, Margin and CallTimeout cannot be negative")
	case g.margin >= g.lease:
		return nil, fmt.Errorf("idempotency: GuardOptions.Margin (%v) must be shorter than Lease (%v)", g.margin, g.lease)
	}
	return g, nil
}

// maxTurns is how many calls in the background a store gets at once.
const maxTurns = 8

// inTurn runs f when there are fewer than maxTurns others.
func (g *Guard) inTurn(f func() error) error {
	g.turns <- struct{}{}
	defer func() { <-g.turns }()
	return f()
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Do claims key, runs fn and completes the key if fn returns nil; it releases the key if fn returns an error, panics
// or calls runtime.Goexit. The context of fn ends Margin before the lease does, and carries the claim
// (see [ClaimsFromContext]).
//
// The state is [Acquired] if fn was run, and [Completed] or [InFlight] if it was not, because it had been before or
// still is; where it runs in this process, Do first waits for it, until ctx ends. The error is that of fn, or of the
// store. After an error of the store with the state Acquired, fn has succeeded but could not be marked: it may run
// again after the lease.
func (g *Guard) Do(ctx context.Context, key string, fn func(context.Context) error) (State, error) {
	lease, claim, err := g.Acquire(ctx, ClaimRequest{Keys: []string{key}, Lease: g.lease})
	if err != nil || claim.State != Acquired {
		return claim.State, err
	}
	succeeded := false
	defer func() {
		if !succeeded {
			_ = lease.Release(context.WithoutCancel(ctx)) // retried in the background
		}
	}()
	run, cancel := context.WithDeadline(lease.Context(ctx), lease.Until().Add(-g.margin))
	defer cancel()
	if err := fn(run); err != nil {
		return Acquired, err
	}
	succeeded = true
	return Acquired, lease.Complete(context.WithoutCancel(ctx))
}

// Count counts under key what happens again and again, such as a sender's attempts, and returns the count. What comes
// sooner than apart after the last that was counted is not counted; then the count is zero. The key must not be one
// that is claimed. An error is the store's.
func (g *Guard) Count(ctx context.Context, key string, apart time.Duration) (int, error) {
	var claim Claim
	err := g.call(ctx, func(ctx context.Context) (err error) {
		claim, err = g.store.Claim(ctx, key, NewToken(), apart)
		return err
	})
	if err != nil || claim.State != Acquired {
		return 0, err
	}
	return claim.Attempt, nil
}

// Immediate reports whether calls to the store take no time to speak of: it is a [Memory].
func (g *Guard) Immediate() bool { return g.direct }

// Wait waits until no retry of a completion or a release is under way, or until ctx ends. Call it when nothing
// new is given to the guard any more: before the process exits.
func (g *Guard) Wait(ctx context.Context) error {
	idle := make(chan struct{})
	go func() {
		g.background.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("idempotency: the store did not take what was left to complete or release: %w", ctx.Err())
	}
}
