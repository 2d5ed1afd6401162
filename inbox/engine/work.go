package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// The times of Work.
const (
	maintainEvery = 10 * time.Second

	// returnTimeout is how long a Run tries to give back what it has not started, after its context has ended. Otherwise
	// another process runs it after the lease. Running callbacks have until the DrainTimeout.
	returnTimeout = 2 * time.Second

	// The pauses of Retry.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Work takes deliveries from the storage and runs them until the Run's context ends, and drains. It returns the error of
// [Dispatcher.Drain].
func (d *Dispatcher) Work(s *Storage) error {
	d.storage = s
	if s.MaxCompleting > 0 {
		d.completing = make(chan struct{}, s.MaxCompleting)
	}
	recording, recorded := context.WithCancel(context.WithoutCancel(d.ctx))
	defer recorded()
	returning, returned := context.WithCancel(recording)
	defer returned()
	d.recording, d.returning = recording, returning
	context.AfterFunc(d.ctx, func() { time.AfterFunc(returnTimeout, returned) })

	var maintaining sync.WaitGroup
	if len(s.Renew) > 0 {
		maintaining.Go(func() { d.repeat(recording, s.Renew, s.Lease/3, nil) })
	}
	changed := make(chan struct{}, 1)
	maintaining.Go(func() { d.repeat(d.ctx, s.Maintain, maintainEvery, changed) })
	d.take(changed)
	err := d.Drain()
	recorded()
	maintaining.Wait()
	return err
}

// take calls Take until the Run's context ends.
func (d *Dispatcher) take(changed chan<- struct{}) {
	s := d.storage
	follow := func() {
		if s.Follow != nil {
			s.Follow(d.ctx, d.Handlers())
		}
	}
	follow()
	for d.ctx.Err() == nil {
		next, err := s.Take(d.ctx)
		if err != nil {
			d.runs.Report(err)
			pause(d.ctx, max(next, firstRetry))
			continue
		}
		timer := time.NewTimer(next)
		select {
		case <-d.ctx.Done():
		case <-d.woken:
		case <-d.freed:
		case <-d.changed:
			follow()
			signal(changed)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// repeat calls the functions at once, at each tick, and when now receives, until ctx ends.
func (d *Dispatcher) repeat(ctx context.Context, functions []func(context.Context) error, every time.Duration, now <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, f := range functions {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				d.runs.Report(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-now:
		}
	}
}

// Wake makes Work call Take soon.
func (d *Dispatcher) Wake() { signal(d.woken) }

// Background runs f on a goroutine that [Dispatcher.Drain] waits for. Take, Follow, and functions that run in the
// background themselves may call it.
func (d *Dispatcher) Background(f func()) { d.group.Go(f) }

// Start runs the callback of a leased delivery in the slot that is reserved for it, records the decision, and reports a
// dead letter. If the Run has ended, it gives back the delivery. It returns without waiting.
func (d *Dispatcher) Start(l Lease) {
	delivery, tried, err := l.Delivery()
	handler := d.handler(delivery.Vendor, delivery.Endpoint)
	switch {
	case d.ctx.Err() != nil:
		d.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		d.Background(func() { d.GiveBack(l) })
	case err != nil:
		d.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		d.Background(func() {
			defer l.Free()
			d.record(d.returning, l, Decision{Disposition: DeadLetter, Attempt: inbox.Attempt{
				At: time.Now().UTC(), Outcome: webhook.Rejected, Error: err.Error(), Counted: true,
			}})
		})
	default:
		d.Go(delivery, tried, func(decision Decision) {
			if decision.Attempt.Reason == webhook.ReasonShuttingDown {
				d.close(handler) // otherwise the delivery would be taken again and again
			}
			if decision.Disposition == Complete && d.complete(l, decision) {
				return
			}
			defer l.Free()
			d.record(d.recording, l, decision)
		})
	}
}

// complete records a completed delivery without a slot, if the storage allows it.
func (d *Dispatcher) complete(l Lease, decision Decision) bool {
	if d.completing == nil {
		return false
	}
	select {
	case d.completing <- struct{}{}:
	case <-d.recording.Done():
		return false
	}
	d.Background(func() {
		defer func() { <-d.completing }()
		defer l.Free()
		d.record(d.recording, l, decision)
	})
	return true
}

// record records a decision and reports a dead letter.
func (d *Dispatcher) record(ctx context.Context, l Lease, decision Decision) {
	if d.retry(ctx, l, func(ctx context.Context) error { return l.Record(ctx, decision) }) && decision.Disposition == DeadLetter {
		d.DeadLetter(l.Entry())
	}
}

// GiveBack gives back a leased delivery that was not started. It tries until two seconds after the end of the Run's
// context. Then the lease ends by itself.
func (d *Dispatcher) GiveBack(l Lease) {
	defer l.Free()
	d.Retry(l, l.GiveBack)
}

// Retry calls try until it succeeds, its error wraps [ErrLeaseEnded], or the Run's context has ended two seconds ago. It
// reports whether try succeeded. Engines use it for what they do with a lease before they start it.
func (d *Dispatcher) Retry(l Lease, try func(ctx context.Context) error) bool {
	return d.retry(d.returning, l, try)
}

// retry calls try until it succeeds, or the lease or ctx has ended. If it gives up, the lease ends, and the idempotency
// store knows whether the callback has completed.
func (d *Dispatcher) retry(ctx context.Context, l Lease, try func(ctx context.Context) error) bool {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := try(ctx)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, ErrLeaseEnded):
			e := l.Entry()
			d.policy.Logger.Warn("inbox: the lease of a delivery had ended before its callback did; another process takes it over",
				"entry", e.ID, "vendor", e.Delivery.Vendor, "endpoint", e.Delivery.Endpoint, "id", e.Delivery.ID, "error", err)
			return false
		}
		d.runs.Report(err)
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
