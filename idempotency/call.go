package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// call makes one call to the store under the guard's deadline.
func (g *Guard) call(ctx context.Context, f func(context.Context) error) error {
	if g.direct {
		return f(ctx)
	}
	if err := deadline.Call(ctx, g.timeout, f); err != nil {
		return fmt.Errorf("idempotency: the store: %w", err)
	}
	return nil
}

// claim claims one key for hold. If the answer does not come in time, the claim may still have been made: it is
// released under the hold's token as soon as the call has come back.
func (g *Guard) claim(ctx context.Context, key string, hold *Hold, lease time.Duration) (Claim, error) {
	if g.direct {
		return g.store.Claim(ctx, key, hold.token, lease)
	}
	var claim Claim
	returned := make(chan struct{})
	err := g.call(ctx, func(ctx context.Context) (err error) {
		defer close(returned)
		claim, err = g.store.Claim(ctx, key, hold.token, lease)
		return err
	})
	if err == nil {
		return claim, nil
	}
	g.background.Go(func() {
		<-returned
		hold.giveBack(ctx, []string{key})
	})
	return Claim{}, err
}
