package engine

import (
	"context"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// NewDispatcher returns the dispatcher of the only Run of an inbox.
func NewDispatcher(ctx context.Context, p inbox.Policy, handlers ...inbox.Handler) (*Dispatcher, error) {
	d, _, err := new(Runs).Begin(ctx, p, handlers...)
	return d, err
}

// Dispatch runs the callback of a delivery on the caller's goroutine.
func (d *Dispatcher) Dispatch(ctx context.Context, delivery *webhook.Delivery, tried int) Decision {
	return d.dispatch(ctx, delivery, tried)
}
