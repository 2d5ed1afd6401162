package vendortest

import (
	"context"
	"slices"
	"sync"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Recorder has a callback that records events of every type. The zero value is ready to use.
type Recorder struct {
	// React, if set, is called after each event is recorded. The callback returns its error.
	React func(ctx context.Context, event webhook.AnyEvent) error

	mu     sync.Mutex
	events []webhook.AnyEvent
}

// Callback records the event.
func (r *Recorder) Callback(ctx context.Context, event webhook.AnyEvent) error {
	r.mu.Lock()
	r.events = append(r.events, event)
	r.mu.Unlock()
	if r.React == nil {
		return nil
	}
	return r.React(ctx, event)
}

// Events returns the recorded events in order.
func (r *Recorder) Events() []webhook.AnyEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
