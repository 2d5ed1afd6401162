package vendortest

import (
	"context"
	"slices"
	"sync"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Recorder is a callback for events of every type. The zero value is ready.
type Recorder struct {
	// React, if set, is what the callback does once it has noted the event.
	React func(ctx context.Context, event webhook.AnyEvent) error

	mu     sync.Mutex
	events []webhook.AnyEvent
}

// Callback notes the event.
func (r *Recorder) Callback(ctx context.Context, event webhook.AnyEvent) error {
	r.mu.Lock()
	r.events = append(r.events, event)
	r.mu.Unlock()
	if r.React == nil {
		return nil
	}
	return r.React(ctx, event)
}

// Events returns what the callback was given, in that order.
func (r *Recorder) Events() []webhook.AnyEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
