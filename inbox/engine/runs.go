package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aihooks/aihooks-go/inbox"
)

// Runs are the Runs of one inbox in this process. Engines keep one. The zero value is ready.
type Runs struct {
	mu    sync.Mutex
	all   map[*Dispatcher]chan struct{} // closed once the Run returns
	added map[string]inbox.Handler      // by Add; nil before
	over  bool

	suspect atomic.Bool // a suspect runs
}

// Begin returns the dispatcher of a new Run. Its context, [Dispatcher.Context], is that of the Run. The Run calls end as
// it returns.
func (r *Runs) Begin(ctx context.Context, p inbox.Policy, handlers ...inbox.Handler) (d *Dispatcher, end func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
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

// Shutdown does what [inbox.Inbox.Shutdown] promises.
func (r *Runs) Shutdown(ctx context.Context) error {
	var errs []error
	for _, d := range r.stop(func(d *Dispatcher) { d.shutdown(ctx) }) {
		errs = append(errs, d.drained)
	}
	return errors.Join(errs...)
}

// Close ends every Run as the end of its context would, and waits for it.
func (r *Runs) Close() { r.stop(func(d *Dispatcher) { d.end() }) }

// stop calls end for every Run and waits until all have returned.
func (r *Runs) stop(end func(*Dispatcher)) (ended []*Dispatcher) {
	r.mu.Lock()
	r.over = true
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
