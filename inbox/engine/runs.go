package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// Runs tracks the Runs of one inbox in this process. An engine has one. Without Controls and Work, the zero value is ready to use.
type Runs struct {
	// Controls has the pauses. Without it, nothing can be paused. Set it before the first Run.
	Controls *Controls

	// Report logs an error after which a Run tries again, such as that it cannot read the pauses. An outage causes many: see
	// [Runs.MayReport]. Required with Controls and for [Dispatcher.Work]. Set it before the first Run.
	Report func(err error)

	mu      sync.Mutex
	all     map[*Dispatcher]chan struct{} // each channel is closed when its Run returns
	added   map[string]inbox.Handler      // nil before the first Add
	stopped bool

	suspect  atomic.Bool  // a suspect runs
	reported atomic.Int64 // when MayReport last returned true, in Unix nanoseconds
}

// Begin returns the dispatcher of a new Run. The context of the Run is [Dispatcher.Context]. The Run must call end when
// it returns.
func (r *Runs) Begin(ctx context.Context, p inbox.Policy, handlers ...inbox.Handler) (d *Dispatcher, end func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return nil, nil, inbox.ErrShutdown
	case len(handlers) == 0 && r.added == nil:
		return nil, nil, errNoHandler
	}
	d, err = newDispatcher(ctx, p, r, slices.AppendSeq(slices.Clone(handlers), maps.Values(r.added)))
	if err != nil {
		return nil, nil, err
	}
	returned := make(chan struct{})
	if r.all == nil {
		r.all = make(map[*Dispatcher]chan struct{})
	}
	r.all[d] = returned
	return d, func() {
		d.end()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.all, d)
		close(returned)
	}, nil
}

// Shutdown implements [inbox.Inbox.Shutdown].
func (r *Runs) Shutdown(ctx context.Context) error {
	var errs []error
	for _, d := range r.stop(func(d *Dispatcher) { d.shutdown(ctx) }) {
		errs = append(errs, d.drained)
	}
	return errors.Join(errs...)
}

// Close ends the context of every Run and waits until all have returned.
func (r *Runs) Close() { r.stop(func(d *Dispatcher) { d.end() }) }

// stop calls end for every Run and waits until all have returned.
func (r *Runs) stop(end func(*Dispatcher)) (ended []*Dispatcher) {
	r.mu.Lock()
	r.stopped = true
	all := maps.Clone(r.all)
	for d := range all {
		end(d)
	}
	r.mu.Unlock()
	for d, returned := range all {
		<-returned
		ended = append(ended, d)
	}
	return ended
}

// MayReport reports whether an error may be logged: it returns true at most once in every.
func (r *Runs) MayReport(every time.Duration) bool {
	last, now := r.reported.Load(), time.Now().UnixNano()
	return (now-last >= int64(every) || now < last) && r.reported.CompareAndSwap(last, now)
}
