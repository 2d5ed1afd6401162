package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A Status is the state of a handler at one moment, for metrics and for an operator.
type Status struct {
	// ShuttingDown reports that [Handler.Shutdown] was called.
	ShuttingDown bool

	// Running is the number of callbacks that run, and MaxRunning is [Options.MaxRunning].
	Running, MaxRunning int

	// Reading is the memory in bytes of the bodies that are being read, by all handlers that share the [ReadBudget].
	// ReadBudget is its size.
	Reading, ReadBudget int64

	// Accepted is when this process last accepted a delivery, and zero before the first one. See [Options.SilentAfter].
	Accepted time.Time

	// Refused is how many requests were not authentic since then, or since SetKeys exchanged the keys.
	Refused int64

	// Silent reports that no delivery was accepted for [Options.SilentAfter].
	Silent bool
}

// Status returns the state of the handler. It is cheap and calls neither the store nor the inbox.
func (h *Handler) Status() Status {
	b := h.options.ReadBudget
	b.mu.Lock()
	reading := b.used
	b.mu.Unlock()
	h.drain.mu.Lock()
	defer h.drain.mu.Unlock()
	return Status{
		ShuttingDown: h.drain.draining,
		Running:      int(h.running.Load()),
		MaxRunning:   h.options.MaxRunning,
		Reading:      reading,
		ReadBudget:   b.size,
		Accepted:     h.silence.time(h.silence.last.Load()),
		Refused:      h.silence.refused.Load(),
		Silent:       h.silence.silent.Load(),
	}
}

var (
	// ErrShutdown is wrapped by the error of [Handler.Ready] after [Handler.Shutdown].
	ErrShutdown = errors.New("webhook: the handler has been shut down")

	// ErrSilent is wrapped by the error of [Handler.Ready] while no delivery was accepted for [Options.SilentAfter]. The
	// service is still able to accept deliveries, so it is not a reason to take it out of service.
	ErrSilent = errors.New("webhook: no delivery was accepted for Options.SilentAfter")
)

// Ready returns nil if the handler can accept deliveries now, or the reason why not. It asks the store by releasing a key that is
// never claimed. It asks an inbox, and a store that can be full, by a method Ready(context.Context) error, if they have it.
// Package health makes an HTTP handler of it.
func (h *Handler) Ready(ctx context.Context) error {
	s := h.Status()
	if s.ShuttingDown {
		return ErrShutdown
	}
	if err := h.storeReady(ctx); err != nil {
		return fmt.Errorf("webhook: the store of %s/%s is not ready: %w", h.profile.Name, h.config.Endpoint, err)
	}
	if r, ok := h.options.Inbox.(readier); ok {
		if err := r.Ready(ctx); err != nil {
			return fmt.Errorf("webhook: the inbox of %s/%s is not ready: %w", h.profile.Name, h.config.Endpoint, err)
		}
	}
	if s.Silent {
		return ErrSilent
	}
	return nil
}

type readier interface {
	Ready(ctx context.Context) error
}

func (h *Handler) storeReady(ctx context.Context) error {
	if r, ok := h.store.(readier); ok {
		return r.Ready(ctx)
	}
	return h.store.Release(ctx, h.profile.Name+"/"+h.config.Endpoint+"/ready", idempotency.Token{})
}
