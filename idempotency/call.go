package idempotency

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// call makes one call to the store under the guard's deadline.
func (g *Guard) call(ctx context.Context, f func(context.Context) error) error {
	return g.callWithin(ctx, g.timeout, f)
}

func (g *Guard) callWithin(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if g.direct {
		return f(ctx)
	}
	if err := deadline.Call(ctx, limit, f); err != nil {
		return fmt.Errorf("idempotency: the store: %w", err)
	}
	return nil
}

// claim claims one key for a duration, and waits for the store until the given time at the most. If the answer does not come
// in time, the claim may still have been made. So after an error all that the lease has joined is released under its
// token, as soon as the call has come back.
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
	err := g.callWithin(ctx, limit, func(ctx context.Context) (err error) {
		defer close(returned)
		claim, err = g.claimOnce(ctx, key, lease.token, duration)
		return err
	})
	if err == nil {
		return claim, nil
	}
	// Another lease, because the work may go on, failed open, with this one.
	lost := &Lease{guard: g, token: lease.token, until: lease.until}
	keys := slices.Clone(lease.flight.keys)
	lasting := context.WithoutCancel(ctx)
	release := func(ctx context.Context) error { return lost.release(ctx, keys) }
	g.background.Go(func() {
		<-returned
		if err := g.inTurn(func() error { return release(lasting) }); err != nil {
			_ = lost.retry(lasting, err, release)
		}
	})
	return Claim{}, err
}

// claimOnce calls the store. A state that is none is an error, like any other of a store that cannot be trusted.
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
		return Claim{}, fmt.Errorf("Claim returned the State %d, which is none of Acquired, InFlight and Completed", claim.State)
	}
	return claim, nil
}
