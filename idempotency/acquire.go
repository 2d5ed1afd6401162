package idempotency

import (
	"context"
	"time"
)

// Work names what is to be guarded.
type Work struct {
	// Keys are claimed in this order, and all or none are held. Where several names may stand for the same work, the
	// one that nobody but the sender can choose comes first.
	Keys []string

	// Lease is for how long they are claimed.
	Lease time.Duration

	// WaitUntil bounds all waiting: for a run of the same work in this process, and for the store. Zero: until the
	// context ends.
	WaitUntil time.Time

	// RefusedLease is for how long the keys before a key that is in flight stay in flight themselves, in place of
	// being free at once. Whoever may change the later key at will could otherwise run, under the earlier one, what
	// is running already. Zero: they are released.
	RefusedLease time.Duration
}

// A flight is work of this process that is under way. All callers for one of its keys find it.
type flight struct {
	keys      []string      // those that it has taken so far
	done      chan struct{} // closed when the work has ended, one way or the other
	completed bool          // it succeeded; to be read once done is closed
	waiting   int
}

// Acquire claims all keys of the work. The Hold is nil unless the Claim's State is [Acquired]; its owner must call
// [Hold.Complete] or [Hold.Release] exactly once.
//
// Where one of the keys runs in this process, Acquire waits for it, and then takes over if it failed.
// A key found completed makes the whole work completed, and the keys claimed before it are completed with it: they
// are other names of what is done.
//
// An error means that the store could not be asked; whatever was or may have been claimed is given back.
func (g *Guard) Acquire(ctx context.Context, w Work) (*Hold, Claim, error) {
	hold := &Hold{
		guard:  g,
		flight: &flight{done: make(chan struct{})},
		keys:   w.Keys,
		token:  NewToken(),
	}
	for i, key := range w.Keys {
		claim := Claim{State: g.board(ctx, hold.flight, key, w.WaitUntil)}
		var err error
		if claim.State == Acquired {
			if i == 0 {
				// Taken before the store is asked, so that it is early whatever the store's clock says.
				hold.until = time.Now().Add(w.Lease)
			}
			claim, err = g.claim(ctx, key, hold, w.Lease, w.WaitUntil)
		}
		if err != nil {
			hold.giveBack(ctx, w.Keys[:i])
			g.land(hold.flight, false)
			return nil, Claim{}, err
		}
		if claim.State != Acquired {
			err = g.refuse(ctx, hold, w, i, claim.State)
			g.land(hold.flight, claim.State == Completed)
			return nil, claim, err
		}
		hold.attempt = max(hold.attempt, claim.Attempt)
	}
	return hold, Claim{State: Acquired, Attempt: hold.attempt}, nil
}

// refuse settles the keys before the i-th, which was found in the given state.
func (g *Guard) refuse(ctx context.Context, hold *Hold, w Work, i int, state State) error {
	ctx = context.WithoutCancel(ctx)
	taken := w.Keys[:i]
	if state == Completed {
		return hold.complete(ctx, taken)
	}
	hold.giveBack(ctx, taken)
	if w.RefusedLease <= 0 {
		return nil
	}
	for _, key := range taken {
		if _, err := g.claim(ctx, key, hold, w.RefusedLease, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// board takes key for the flight f. While another flight has it, it waits; the state says why f did not get it: the
// other one succeeded, or too many wait for it, or ctx ended.
func (g *Guard) board(ctx context.Context, f *flight, key string, until time.Time) State {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		other := g.flights[key]
		switch {
		case other == nil:
			g.flights[key] = f
			f.keys = append(f.keys, key)
			return Acquired
		case other.hasCompleted():
			return Completed
		case other.waiting >= g.waiters:
			return InFlight
		}
		other.waiting++
		g.mu.Unlock()
		ended := other.wait(ctx, until)
		g.mu.Lock()
		other.waiting--
		if !ended {
			return InFlight
		}
		if other.hasCompleted() {
			return Completed
		}
	}
}

// decide tells those who wait how the flight ended. Its keys stay taken until it has landed.
func (g *Guard) decide(f *flight, completed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f.decide(completed)
}

// land ends the flight and frees its keys in this process.
func (g *Guard) land(f *flight, completed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range f.keys {
		delete(g.flights, key)
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
