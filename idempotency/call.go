package idempotency

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// call makes one call to the store under the guard's deadline.
func (g *Guard) call(ctx context.Context, method string, f func(context.Context) error) error {
	return g.callWithin(ctx, g.timeout, method, f)
}

func (g *Guard) callWithin(ctx context.Context, limit time.Duration, method string, f func(context.Context) error) error {
	if g.direct {
		return f(ctx)
	}
	began := time.Now()
	err := deadline.Call(ctx, limit, f)
	g.observe(method, time.Since(began), err)
	if err != nil {
		return fmt.Errorf("idempotency: store: %w", err)
	}
	return nil
}

func (g *Guard) observe(method string, took time.Duration, err error) {
	if g.onCall == nil {
		return
	}
	defer func() { _ = recover() }() // some calls run on goroutines where a panic would end the process
	g.onCall(method, took, err)
}

// claim claims one key for a duration. It waits for the store until the given time at most. After an error the store may
// still have made the claim. claim therefore releases every key that the lease has joined, as soon as the call returns.
func (g *Guard) claim(ctx context.Context, key string, lease *Lease, duration time.Duration, until time.Time) (Claim, error) {
	if g.direct {
		claim, err := g.claimOnce(ctx, key, lease.token, duration)
		if err != nil {
			_ = lease.release(context.WithoutCancel(ctx), lease.flight.keys)
		}
		return claim, err
	}
	limit := g.timeout
	if !until.IsZero() {
		limit = min(limit, time.Until(until))
	}
	var claim Claim
	returned := make(chan struct{})
	err := g.callWithin(ctx, limit, "claim", func(ctx context.Context) (err error) {
		defer close(returned)
		claim, err = g.claimOnce(ctx, key, lease.token, duration)
		return err
	})
	if err == nil {
		return claim, nil
	}
	// This is a separate lease, because the work may continue with the given one, failed open.
	lost := &Lease{guard: g, token: lease.token, until: lease.until}
	keys := slices.Clone(lease.flight.keys)
	detached := context.WithoutCancel(ctx)
	release := func(ctx context.Context) error { return lost.release(ctx, keys) }
	g.background.Go(func() {
		<-returned
		if err := g.inTurn(func() error { return release(detached) }); err != nil {
			_ = lost.retry(detached, err, release)
		}
	})
	return Claim{}, err
}

// claimOnce calls the store. It returns an error if the store returns an unknown state.
func (g *Guard) claimOnce(ctx context.Context, key string, token Token, duration time.Duration) (Claim, error) {
	claim, err := g.store.Claim(ctx, key, token, duration)
	if err != nil {
		return Claim{}, err
	}
	switch claim.State {
	case Acquired:
		claim.Attempt = max(claim.Attempt, 1)
	case InFlight, Completed:
	default:
		return Claim{}, fmt.Errorf("Claim returned State %d, which must be Acquired, InFlight or Completed", claim.State)
	}
	return claim, nil
}
