package idempotency

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A ClaimRequest describes a claim for [Guard.Acquire].
type ClaimRequest struct {
	// Keys are claimed in this order, and either all or none are held. If the same work has several keys, put the key
	// first that only the authentic sender can choose. Keys are released in the opposite order, and their leases end in
	// the opposite order. So if a key is free, the same work no longer holds the keys after it.
	Keys []string

	// Lease is how long the keys are claimed, counted from the claim of the first key. If the process crashes, the work
	// can run again after this time.
	Lease time.Duration

	// RenewUntil lets the work outlast its lease. While the work runs, the Guard renews the lease in the background:
	// whenever a third of Lease has passed, the lease is made to end after Lease from then, but not after RenewUntil. A
	// failed renewal is tried again until the lease ends. See [Lease.Context] for work whose lease cannot be renewed.
	//
	// There is no renewal if RenewUntil is not later than the end of the lease, or if the work fails open. The zero time
	// means no renewal.
	RenewUntil time.Time

	// WaitUntil is when Acquire stops waiting for the store and for the same work in this process. The zero time means
	// that only the context ends the wait.
	WaitUntil time.Time

	// FailOpen lets the work run when the store is unavailable. Only this process then prevents a second run at the same
	// time, and the store does not remember the run. See [Lease.FailedOpen].
	FailOpen bool

	// RefusedLease is how long the keys before a key in flight stay in flight. It matters if a sender can change the
	// later key at will. The sender could otherwise run the same work again under the earlier key, while it is
	// running. Zero releases the earlier keys at once.
	RefusedLease time.Duration

	// Tag is a short hash of the work. [Claim.OtherTag] uses it to detect other work with the same keys. Zero means no
	// tag.
	Tag uint16
}

// A flight is work that runs in this process. Every caller that wants one of its keys finds it.
type flight struct {
	keys      []string // the keys joined so far
	tag       uint16   // of the work
	decided   bool     // the work has ended
	completed bool     // and succeeded
	waiting   int
	done      chan struct{} // closed when decided; the first caller that waits makes it
}

// Acquire claims all keys of the work. The Lease is nil unless the Claim's State is [Acquired]. The caller must call
// [Lease.Complete] or [Lease.Release] exactly once.
//
// If another caller in this process runs work under one of the keys, Acquire waits for it. If that work fails, Acquire
// takes the key over. Two callers that list the same keys in opposite orders can wait for each other. Give them a
// WaitUntil, or a context that ends.
//
// If one key is completed, the whole work is completed. Acquire then completes the keys before it, because all keys
// name the same work.
//
// [ErrCannotRenew] means that RenewUntil needs renewals, and the store is not a [Renewer]. Any other error means that the
// store is unavailable. Acquire then releases every key that it has claimed or may have claimed.
// With FailOpen, Acquire returns the error only if the context or WaitUntil ended the call.
func (g *Guard) Acquire(ctx context.Context, w ClaimRequest) (*Lease, Claim, error) {
	if g.renewer == nil && !w.RenewUntil.IsZero() && w.RenewUntil.After(time.Now().Add(w.Lease)) {
		return nil, Claim{}, ErrCannotRenew
	}
	lease := &Lease{
		guard:  g,
		flight: &flight{keys: make([]string, 0, len(w.Keys)), tag: w.Tag},
		token:  NewToken(),
	}
	if w.Tag != 0 {
		lease.token = lease.token.WithTag(w.Tag)
	}
	for i, key := range w.Keys {
		if slices.Contains(w.Keys[:i], key) {
			continue // a second claim would wait for the first
		}
		claim := g.join(ctx, lease.flight, key, earlier(w.WaitUntil, lease.until))
		var err error
		if claim.State == Acquired && !lease.failedOpen {
			if i == 0 {
				// This is before the call, so that the lease ends here no later than in the store.
				lease.until = time.Now().Add(w.Lease)
			}
			claim, err = g.claim(ctx, key, lease, g.leaseOf(lease.until, len(w.Keys)-1-i), w.WaitUntil)
		}
		if err != nil && w.FailOpen && hasTime(ctx, w.WaitUntil) {
			lease.failedOpen = true
			claim = Claim{State: Acquired, Attempt: 1}
		} else if err != nil {
			g.leave(lease.flight, false)
			return nil, Claim{}, err
		}
		if claim.State != Acquired {
			claim.OtherTag = claim.OtherTag && w.Tag != 0
			lease.undo(ctx, &w, claim.State)
			g.leave(lease.flight, claim.State == Completed)
			return nil, claim, nil
		}
		lease.keys = lease.flight.keys // a list that only this lease uses
		lease.attempt = max(lease.attempt, claim.Attempt)
	}
	if w.RenewUntil.After(lease.until) && len(lease.keys) > 0 && !lease.failedOpen {
		lease.renewUntil(ctx, &w)
	}
	return lease, Claim{State: Acquired, Attempt: lease.attempt}, nil
}

// leaseOf returns how long a key must be claimed whose lease ends at until, if more keys are claimed after it. Each lease
// outlasts the next one by at least a timeout, the longest that a call takes.
func (g *Guard) leaseOf(until time.Time, more int) time.Duration {
	duration := time.Until(until)
	for range more {
		duration = later(duration, g.timeout)
	}
	return duration
}

// hasTime reports whether there is time left to call the store. If not, an error does not mean that it is unavailable.
func hasTime(ctx context.Context, until time.Time) bool {
	return ctx.Err() == nil && (until.IsZero() || time.Now().Before(until))
}

// earlier returns the earlier of two times. A zero time means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// settleGrace is the least time that Acquire gives the store to undo earlier claims, even after WaitUntil.
const settleGrace = 250 * time.Millisecond

// undo settles the keys that were claimed before a refused key. The state of the refused key decides how. If that fails or
// takes too long, undo retries in the background.
func (l *Lease) undo(ctx context.Context, w *ClaimRequest, state State) {
	if len(l.keys) == 0 {
		return
	}
	try := func(ctx context.Context) error { return l.release(ctx, l.keys) }
	switch {
	case state == Completed:
		try = func(ctx context.Context) error { return l.complete(ctx, l.keys) }
	case w.RefusedLease > 0:
		try = l.reserveUntil(w.RefusedLease)
	}
	ctx = context.WithoutCancel(ctx)
	first, cancel := ctx, context.CancelFunc(func() {})
	if !w.WaitUntil.IsZero() {
		first, cancel = context.WithTimeout(ctx, max(settleGrace, time.Until(w.WaitUntil)))
	}
	defer cancel()
	if err := try(first); err != nil && !errors.Is(err, ErrLeaseLost) {
		l.later(ctx, err, try)
	}
}

// reserveUntil returns a function that keeps the keys in flight for the time of lease, without an owner. It claims them
// with a new token, so that a late release does not free them.
func (l *Lease) reserveUntil(lease time.Duration) func(context.Context) error {
	token := NewToken()
	return func(ctx context.Context) error {
		if err := l.release(ctx, l.keys); err != nil {
			return err
		}
		for _, key := range l.keys {
			err := l.guard.call(ctx, "claim", func(ctx context.Context) error {
				_, err := l.guard.store.Claim(ctx, key, token, lease)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// join adds key to the flight f. While another flight has the key, join waits. The state is Completed if the other flight
// succeeded. It is InFlight if too many callers wait, or if ctx or until ended the wait.
func (g *Guard) join(ctx context.Context, f *flight, key string, until time.Time) Claim {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		other := g.flights[key]
		switch {
		case other == nil:
			g.flights[key] = f
			f.keys = append(f.keys, key)
			return Claim{State: Acquired}
		case other.completed:
			return Claim{State: Completed, OtherTag: other.tag != f.tag}
		case other.waiting >= g.waiters:
			return Claim{State: InFlight}
		}
		other.waiting++
		if other.done == nil {
			other.done = make(chan struct{})
		}
		g.mu.Unlock()
		ended := other.wait(ctx, until)
		g.mu.Lock()
		other.waiting--
		if !ended {
			return Claim{State: InFlight}
		}
		if other.completed {
			return Claim{State: Completed, OtherTag: other.tag != f.tag}
		}
	}
}

// decide notifies the waiting callers of the result. The flight keeps its keys until leave.
func (g *Guard) decide(f *flight, completed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.decide(completed)
}

// leave ends the flight and frees its keys in this process.
func (g *Guard) leave(f *flight, completed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range f.keys {
		if g.flights[key] == f {
			delete(g.flights, key)
		}
	}
	f.decide(completed)
}

func (f *flight) decide(completed bool) {
	if f.decided {
		return
	}
	f.decided, f.completed = true, completed
	if f.done != nil {
		close(f.done)
	}
}

func (f *flight) wait(ctx context.Context, until time.Time) (ended bool) {
	var late <-chan time.Time // nil blocks forever
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-f.done:
		return true
	case <-late:
		return false
	case <-ctx.Done():
		return false
	}
}
