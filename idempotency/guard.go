package idempotency

import (
	"context"
	"errors"
	"fmt"
	"math"
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

// GuardOptions are the options of [NewGuard]. The zero value of each field means its default.
type GuardOptions struct {
	// Lease is how long [Guard.Do] claims a key. After a crash, the next attempt waits until the lease ends, so keep it
	// short. If the store is a [Renewer], Do renews the lease. Otherwise Lease must be longer than any run. Defaults to
	// [DefaultLease].
	Lease time.Duration

	// Margin is the time to complete the key between the end of a run's context and the end of the lease in [Guard.Do].
	// Failed completions and releases are retried for at least Margin. It must be shorter than Lease. Defaults to
	// [DefaultMargin].
	Margin time.Duration

	// CallTimeout bounds one call to the store. A store that does not respond in that time counts as unavailable.
	// Defaults to [DefaultCallTimeout].
	CallTimeout time.Duration

	// MaxWaiters is how many callers may wait at once for a run of the same key in this process. For any further caller
	// the key is in flight at once. With a negative value no caller waits. Defaults to [DefaultMaxWaiters].
	MaxWaiters int

	// OnCall, if set, is called after each call to the store, with the method ("claim", "complete", "release" or "renew"), how
	// long it took, and its error. It must return quickly. A panic has no effect. It is not called for
	// a [Memory], which cannot be slow.
	OnCall func(method string, took time.Duration, err error)
}

// A Guard runs the work of a key at most once at a time, and not again after it is completed.
//
// Within one Guard, a key never runs twice at once, even after its lease has ended. With another Guard on the same store,
// the key may run again after its lease has ended. Then exactly one of the two runs can complete it.
type Guard struct {
	store   Store
	renewer Renewer // the same store, or nil
	lease   time.Duration
	margin  time.Duration
	timeout time.Duration
	waiters int
	direct  bool // the store cannot hang, so calls need no deadline
	onCall  func(method string, took time.Duration, err error)

	mu      sync.Mutex
	flights map[string]*flight

	background sync.WaitGroup
	turns      chan struct{} // limits concurrent retries, so that they do not overload a store that has just recovered
}

// NewGuard returns a Guard on store. A nil o means the defaults. The error names the option that is invalid.
func NewGuard(store Store, o *GuardOptions) (*Guard, error) {
	if store == nil {
		return nil, errors.New("idempotency: NewGuard: the Store must not be nil")
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
		onCall:  o.OnCall,
		flights: make(map[string]*flight),
		turns:   make(chan struct{}, maxTurns),
	}
	_, g.direct = store.(*Memory)
	g.renewer, _ = store.(Renewer)
	switch {
	case g.lease < 0 || g.margin < 0 || g.timeout < 0:
		return nil, errors.New("idempotency: GuardOptions.Lease, Margin and CallTimeout must not be negative")
	case g.margin >= g.lease:
		return nil, fmt.Errorf("idempotency: GuardOptions.Margin (%v) must be shorter than Lease (%v)", g.margin, g.lease)
	}
	return g, nil
}

// maxTurns is the maximum of concurrent background calls to the store.
const maxTurns = 8

// inTurn runs f as soon as fewer than maxTurns other calls run.
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

// Do claims key and runs fn. It completes the key if fn returns nil. It releases the key if fn returns an error, panics or
// calls runtime.Goexit. The context of fn carries the claim for [ClaimsFromContext].
//
// If the store is a [Renewer], Do renews the lease until fn returns, so fn may take as long as ctx allows. Give ctx a
// deadline: Do does not renew for longer than Margin after it, so another process can run fn if this one hangs. The context
// of fn ends early if the lease is lost, see [Lease.Context]. If the store is not a Renewer, the context of fn ends Margin
// before the lease does.
//
// The state is [Acquired] if fn ran. It is [Completed] if the key was completed before, and [InFlight] if another run
// holds it. If that run is in this process, Do first waits for it until ctx ends.
//
// The error is fn's or the store's. A store error with the state Acquired means that fn succeeded, but the key could not
// be completed. fn may then run again after the lease.
func (g *Guard) Do(ctx context.Context, key string, fn func(context.Context) error) (State, error) {
	request := ClaimRequest{Keys: []string{key}, Lease: g.lease}
	if g.renewer != nil {
		request.RenewUntil = time.Now().Add(math.MaxInt64)
		if ends, ok := ctx.Deadline(); ok {
			request.RenewUntil = ends.Add(g.margin)
		}
	}
	lease, claim, err := g.Acquire(ctx, request)
	if err != nil || claim.State != Acquired {
		return claim.State, err
	}
	succeeded := false
	defer func() {
		if !succeeded {
			_ = lease.Release(context.WithoutCancel(ctx)) // retried in the background
		}
	}()
	ends := request.RenewUntil
	if g.renewer == nil {
		ends = lease.Until()
	}
	run, cancel := context.WithDeadline(lease.Context(ctx), ends.Add(-g.margin))
	defer cancel()
	if err := fn(run); err != nil {
		return Acquired, err
	}
	succeeded = true
	return Acquired, lease.Complete(context.WithoutCancel(ctx))
}

// Count counts one event under key, such as a sender's attempt, and returns the new count. It does not count an event
// that comes less than apart after the last counted event, and then returns zero. The key must not be used for claims. An
// error is the store's.
func (g *Guard) Count(ctx context.Context, key string, apart time.Duration) (int, error) {
	var claim Claim
	err := g.call(ctx, "claim", func(ctx context.Context) (err error) {
		claim, err = g.store.Claim(ctx, key, NewToken(), apart)
		return err
	})
	if err != nil || claim.State != Acquired {
		return 0, err
	}
	return claim.Attempt, nil
}

// Wait waits until no lease is renewed and all retries of completions and releases have ended, or until ctx ends. Call it
// before the process exits, when the guard gets no new work.
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
		return fmt.Errorf("idempotency: work, completions or releases are still pending in the store: %w", ctx.Err())
	}
}
