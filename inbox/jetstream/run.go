package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// A run is the state of one call of Run.
type run struct {
	box        *Inbox
	name       string // unique
	dispatcher *engine.Dispatcher
	purged     bool // only for purgeOnce

	creating chan struct{} // held by the goroutines that create their consumer

	mu       sync.Mutex
	leases   map[*fetched]struct{} // the leased deliveries
	handlers map[string]*handlerRun
}

// A handlerRun is the state of one handler of a run. Its goroutine fetches the handler's deliveries.
type handlerRun struct {
	inbox.Handler
	run    *run
	cancel context.CancelFunc // ends its goroutine
	freed  chan struct{}
	puller *puller

	// Only for the goroutine of Maintain:
	resumed resumed
	floor   uint64 // the consumer's ack floor in the last call of runRestored

	// Only for the goroutine:
	slots int  // slots reserved for requested messages
	more  bool // the consumer may have more messages
}

// completingPerSlot is how many completed deliveries may wait for the server's confirmation, per concurrent callback.
const completingPerSlot = 4

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, handlers ...inbox.Handler) error {
	if b.attached {
		return errAttached
	}
	ctx, stopWatching := b.whileConnected(ctx)
	defer stopWatching()
	d, end, err := b.active.Begin(ctx, b.options.Policy, handlers...)
	if err != nil {
		return err
	}
	defer end()
	r := &run{box: b, name: idempotency.NewToken().String(), dispatcher: d, creating: make(chan struct{}, maxCreating), leases: make(map[*fetched]struct{})}
	b.runs.Store(r, nil)
	defer b.runs.Delete(r)
	err = d.Work(&engine.Storage{
		Take:          r.take,
		Follow:        r.follow,
		MaxCompleting: completingPerSlot * b.options.Policy.Concurrency,
		Lease:         b.options.Lease,
		Renew:         []func(context.Context) error{r.renew},
		Maintain:      []func(context.Context) error{b.examine, r.resume, r.examineQueue, r.purgeOnce},
	})
	if context.Cause(d.Context()) == errClosed { //nolint:errorlint // set without wrapping
		b.options.Policy.Logger.Error("inbox: Run ends because the NATS connection is closed; deliveries are refused with 503", "stream", b.name, "error", b.nc.LastError())
		err = errors.Join(err, errClosed)
	}
	return err
}

// errClosed is returned by Run when the connection is closed.
var errClosed = fmt.Errorf("jetstreaminbox: the connection is closed, so Run cannot continue; "+
	"connect with nats.MaxReconnects(-1), and close the connection after Run has returned: %w", nats.ErrConnectionClosed)

// whileConnected returns a context that ends with ctx. If the connection is closed, by the user or after the last
// reconnect attempt, it ends with the cause errClosed.
func (b *Inbox) whileConnected(ctx context.Context) (connected context.Context, stop func()) {
	connected, cancel := context.WithCancelCause(ctx)
	closed := b.nc.StatusChanged(nats.CLOSED)
	if b.nc.IsClosed() {
		cancel(errClosed)
	}
	go func() {
		select {
		case <-connected.Done():
		case <-closed:
			cancel(errClosed)
		}
	}()
	return connected, func() {
		cancel(nil)
		b.nc.RemoveStatusListener(closed)
	}
}

// follow starts a goroutine for each new handler, and cancels those of handlers that were removed or shut down.
func (r *run) follow(ctx context.Context, current []inbox.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.handlers
	r.handlers = make(map[string]*handlerRun, len(current))
	for _, handler := range current {
		name := consumerName(handler.Vendor(), handler.Endpoint())
		h := before[name]
		if h == nil || h.Handler != handler {
			h = &handlerRun{Handler: handler, run: r, freed: make(chan struct{}, 1)}
			ctx, cancel := context.WithCancel(ctx)
			h.cancel = cancel
			r.dispatcher.Background(func() { h.pull(ctx) })
		}
		r.handlers[name] = h
	}
	for name, h := range before {
		if r.handlers[name] != h {
			h.cancel()
		}
	}
}

// take notifies every handler's goroutine that slots may be free. Those goroutines take the deliveries, because each
// consumer has its own requests.
func (r *run) take(context.Context) (next time.Duration, err error) {
	for _, h := range r.list() {
		select {
		case h.freed <- struct{}{}:
		default:
		}
	}
	return time.Hour, nil
}

func (r *run) list() []*handlerRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.handlers))
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(handlers ...inbox.Handler) error { return b.active.Add(handlers...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(handlers ...inbox.Handler) { b.active.Remove(handlers...) }

// Shutdown implements [inbox.Inbox]. The connection stays open.
func (b *Inbox) Shutdown(ctx context.Context) error { return b.active.Shutdown(ctx) }

// begin starts the callback of a delivery, in the slot that is reserved for it.
func (r *run) begin(ctx context.Context, h *handlerRun, t *fetched) {
	r.addLease(t)
	if t.n == 1 && !engine.IsSuspect(t.attempts) && ctx.Err() == nil { // the usual case
		r.dispatcher.Start(t)
		return
	}
	r.dispatcher.Background(func() {
		prepared := r.prepare(ctx, t)
		if prepared && !engine.IsSuspect(t.attempts) {
			r.dispatcher.Start(t)
			return
		}
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		if prepared {
			r.startAlone(ctx, h, t) // other deliveries use the slot meanwhile
		} else {
			t.Free()
		}
	})
}

// suspectTick is how often a suspect checks whether it may run.
const suspectTick = 20 * time.Millisecond

// startAlone starts the callback of a suspect once no other suspect runs. After a lease, it gives back the delivery:
// another process may have no suspect.
func (r *run) startAlone(ctx context.Context, h *handlerRun, t *fetched) {
	for began := time.Now(); ctx.Err() == nil && time.Since(began) < r.box.options.Lease; pause(ctx, suspectTick) {
		if !r.box.active.ReserveSuspect() {
			continue
		}
		if r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), 1) == 0 {
			r.box.active.FreeSuspect()
			continue
		}
		t.suspect = true
		if t.retry(r.box.markAlone) {
			r.dispatcher.Start(t)
			return
		}
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		t.Free() // the lease has ended, or will end
		return
	}
	r.dispatcher.GiveBack(t)
}

// prepare loads the history of a delivery, and reports whether to run it now. If not, prepare has settled, postponed or
// returned it.
func (r *run) prepare(ctx context.Context, t *fetched) bool {
	if ctx.Err() != nil {
		r.dispatcher.GiveBack(t)
		return false
	}
	var isDeadLetter bool
	if !t.retry(func(c context.Context, t *fetched) (err error) {
		isDeadLetter, err = r.box.loadHistory(c, t)
		return err
	}) {
		return false // the lease will end
	}
	switch {
	case isDeadLetter: // a process crashed before it removed the delivery
		if t.retry(r.box.removeMoved) {
			r.dispatcher.DeadLetter(t.Entry())
		}
		return false
	case t.undecodable != nil:
		return true // Start makes it a dead letter
	case t.state.Tried >= r.box.options.Policy.MaxAttempts:
		if t.retry(r.box.deadLetter) {
			r.dispatcher.DeadLetter(t.Entry())
		}
		return false
	case ctx.Err() != nil:
		r.dispatcher.GiveBack(t)
		return false
	case time.Until(t.due) > early:
		t.retry(r.box.postpone)
		return false
	}
	return true
}

// early is how much before its due time a delivery may run, because clocks are not exact.
const early = 5 * time.Millisecond
