package idempotency

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A ClaimRequest names what is to be guarded.
type ClaimRequest struct {
	// Keys are claimed in this order, and all or none are held. Where several names may stand for the same work, the
	// one that nobody but the sender can choose comes first. They are given back in the opposite order, and their
	// leases end in it: a key that is free tells that those after it are not held by the same work any more.
	Keys []string

	// Lease is for how long they are claimed, counted from the claim of the first.
	Lease time.Duration

	// WaitUntil bounds all waiting: for a run of the same work in this process, and for the store. Zero: until the
	// context ends.
	WaitUntil time.Time

	// FailOpen has the work run failedOpen when the store cannot be asked: nothing but this process then keeps it from
	// running twice, and nothing remembers that it ran. See [Lease.FailedOpen].
	FailOpen bool

	// RefusedLease is for how long the keys before a key that is in flight stay in flight themselves, in place of
	// being free at once. Whoever may change the later key at will could otherwise run, under the earlier one, what
	// is running already. Zero: they are released.
	RefusedLease time.Duration

	// Tag is a short hash of the work, by which [Claim.OtherTag] tells other work that has the same keys. Zero: none.
	Tag uint16
}

// A flight is work of this process that is under way. All callers for one of its keys find it.
type flight struct {
	keys      []string      // those that it has taken so far
	done      chan struct{} // closed when the work has ended, one way or the other
	completed bool          // it succeeded; to be read once done is closed
	tag       uint16        // of the work
	waiting   int
}

// Acquire claims all keys of the work. The Hold is nil unless the Claim's State is [Acquired]; its owner must call
// [Lease.Complete] or [Lease.Release] exactly once.
//
// Where one of the keys runs in this process, Acquire waits for it, and then takes over if it failed. Works that name
// the same keys in opposite orders can wait for one another: give such works a WaitUntil, or a context that ends.
// A key found completed makes the whole work completed, and the keys claimed before it are completed with it: they
// are other names of what is done.
//
// An error means that the store could not be asked; whatever was or may have been claimed is given back. With FailOpen
// there is none.
func (g *Guard) Acquire(ctx context.Context, w ClaimRequest) (*Lease, Claim, error) {
	lease := &Lease{
		guard:  g,
		flight: &flight{keys: make([]string, 0, len(w.Keys)), done: make(chan struct{}), tag: w.Tag},
		token:  NewToken(),
	}
	if w.Tag != 0 {
		lease.token = lease.token.WithTag(w.Tag)
	}
	for i, key := range w.Keys {
		if slices.Contains(w.Keys[:i], key) {
			continue // it would wait for itself
		}
		claim := g.join(ctx, lease.flight, key, earlier(w.WaitUntil, lease.until))
		var err error
		if claim.State == Acquired && !lease.failedOpen {
			if i == 0 {
				// Taken before the store is asked, so that it is early whatever the store's clock says.
				lease.until = time.Now().Add(w.Lease)
			}
			// A call takes the timeout at the most: by so much the lease of a key outlasts that of the next one.
			duration := time.Until(lease.until)
			for range w.Keys[i+1:] {
				duration = later(duration, g.timeout)
			}
			claim, err = g.claim(ctx, key, lease, duration, w.WaitUntil)
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
		lease.keys = lease.flight.keys // all those boarded so far, in a list that is nobody else's
		lease.attempt = max(lease.attempt, claim.Attempt)
	}
	return lease, Claim{State: Acquired, Attempt: lease.attempt}, nil
}

// hasTime reports whether an error of the store is its own, and not that there was no time left to ask it.
func hasTime(ctx context.Context, until time.Time) bool {
	return ctx.Err() == nil && (until.IsZero() || time.Now().Before(until))
}

// earlier returns the earlier of two times, of which a zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// settleGrace is how long an Acquire that may not wait any more does wait for the store to take back what it had given.
const settleGrace = 250 * time.Millisecond

// undo settles the keys that were taken before one that was not to be had, by the state of that one. What fails, or
// takes too long, is tried again in the background.
func (h *Lease) undo(ctx context.Context, w *ClaimRequest, state State) {
	if len(h.keys) == 0 {
		return
	}
	try := func(ctx context.Context) error { return h.release(ctx, h.keys) }
	switch {
	case state == Completed:
		try = func(ctx context.Context) error { return h.complete(ctx, h.keys) }
	case w.RefusedLease > 0:
		try = h.reserveUntil(w.RefusedLease)
	}
	ctx = context.WithoutCancel(ctx)
	first, cancel := ctx, context.CancelFunc(func() {})
	if !w.WaitUntil.IsZero() {
		first, cancel = context.WithTimeout(ctx, max(settleGrace, time.Until(w.WaitUntil)))
	}
	defer cancel()
	if err := try(first); err != nil && !errors.Is(err, ErrLeaseLost) {
		h.later(ctx, err, try)
	}
}

// reserveUntil returns a try to have the keys in flight for the time of lease, held by nobody. Its token is one of its own:
// a release that comes late must not free them.
func (h *Lease) reserveUntil(lease time.Duration) func(context.Context) error {
	token := NewToken()
	return func(ctx context.Context) error {
		if err := h.release(ctx, h.keys); err != nil {
			return err
		}
		for _, key := range h.keys {
			err := h.guard.call(ctx, func(ctx context.Context) error {
				_, err := h.guard.store.Claim(ctx, key, token, lease)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// join takes key for the flight f. While another flight has it, it waits; the state says why f did not get it: the
// other one succeeded, or too many wait for it, or ctx ended.
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
		case other.hasCompleted():
			return Claim{State: Completed, OtherTag: other.tag != f.tag}
		case other.waiting >= g.waiters:
			return Claim{State: InFlight}
		}
		other.waiting++
		g.mu.Unlock()
		ended := other.wait(ctx, until)
		g.mu.Lock()
		other.waiting--
		if !ended {
			return Claim{State: InFlight}
		}
		if other.hasCompleted() {
			return Claim{State: Completed, OtherTag: other.tag != f.tag}
		}
	}
}

// decide tells those who wait how the flight ended. Its keys stay taken until it has landed.
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
	select {
	case <-f.done:
	default:
		f.completed = completed
		close(f.done)
	}
}

func (f *flight) hasCompleted() bool {
	select {
	case <-f.done:
		return f.completed
	default:
		return false
	}
}

func (f *flight) wait(ctx context.Context, until time.Time) (ended bool) {
	var late <-chan time.Time // never, if there is no such time
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
