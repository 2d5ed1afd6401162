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
	"github.com/aihooks/aihooks-go/webhook"
)

// A run is the state of one call of Run.
type run struct {
	box        *Inbox
	name       string // unique
	dispatcher *engine.Dispatcher
	changed    chan struct{}   // signals that the handlers changed, for deferred deliveries
	settling   context.Context // ends after the callbacks, so that their results are recorded
	returning  context.Context // ends a little after the context of Run, to return what was not started
	preparing  sync.WaitGroup  // counts deliveries that may still be started
	ending     chan struct{}   // has one element for each completed delivery whose acknowledgement is being sent

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

	// Only for the goroutine:
	slots int  // slots reserved for requested messages
	more  bool // the consumer may have more messages

	mu     sync.Mutex
	closed bool // the handler has been shut down
}

func (h *handlerRun) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

func (h *handlerRun) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, handlers ...inbox.Handler) error {
	d, end, err := b.active.Begin(ctx, b.options.Policy, handlers...)
	if err != nil {
		return err
	}
	defer end()
	ctx, stopWatching := b.whileConnected(d.Context())
	defer stopWatching()
	settling, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	r := &run{box: b, name: idempotency.NewToken().String(), dispatcher: d, settling: settling, leases: make(map[*fetched]struct{}), changed: make(chan struct{}, 1)}
	r.ending = make(chan struct{}, endingPerSlot*b.options.Policy.Concurrency)
	returning, returned := context.WithCancel(settling)
	defer returned()
	r.returning = returning
	context.AfterFunc(ctx, func() { time.AfterFunc(returnTimeout, returned) })
	maintaining, stop := context.WithCancel(settling)
	defer stop()
	var maintainers, starting, pulling sync.WaitGroup
	starting.Go(func() {
		r.follow(ctx, func(ctx context.Context, h *handlerRun) {
			starting.Add(1)
			pulling.Go(func() { h.pull(ctx, starting.Done) })
		})
	})
	maintainers.Go(func() { r.renew(maintaining) })
	maintainers.Go(func() { r.notifyFreed(maintaining) })
	maintainers.Go(func() { r.maintain(ctx) })
	starting.Wait() // until ctx has ended
	r.preparing.Wait()
	err = d.Drain() // renew continues to renew leases
	pulling.Wait()  // late messages have been returned to the server
	r.awaitEnding()
	stop()
	maintainers.Wait()
	if context.Cause(ctx) == errClosed { //nolint:errorlint // set without wrapping
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

// follow starts a goroutine for each handler of the Run, and cancels those of removed handlers, until ctx ends.
func (r *run) follow(ctx context.Context, start func(context.Context, *handlerRun)) {
	for ctx.Err() == nil {
		for _, h := range r.refresh() {
			handlerCtx, cancel := context.WithCancel(ctx)
			h.cancel = cancel
			start(handlerCtx, h)
		}
		select {
		case <-ctx.Done():
		case <-r.dispatcher.Changed():
			select {
			case r.changed <- struct{}{}:
			default:
			}
		}
	}
	for _, h := range r.list() {
		h.cancel()
	}
}

// refresh updates the handlers of the Run, and returns the new ones.
func (r *run) refresh() (added []*handlerRun) {
	current := r.dispatcher.Handlers()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.handlers
	r.handlers = make(map[string]*handlerRun, len(current))
	for _, handler := range current {
		name := consumerName(handler.Vendor(), handler.Endpoint())
		h := before[name]
		if h == nil || h.Handler != handler {
			h = &handlerRun{Handler: handler, run: r, freed: make(chan struct{}, 1)}
			added = append(added, h)
		}
		r.handlers[name] = h
	}
	for name, h := range before {
		if r.handlers[name] != h {
			h.cancel()
		}
	}
	return added
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

// returnTimeout is how long a Run tries to return what it has not started, after its context has ended. Otherwise
// another process runs it after the lease. Running callbacks have until DrainTimeout.
const returnTimeout = 2 * time.Second

// endingPerSlot is how many completed deliveries may wait for the server's confirmation, per concurrent callback. They
// have no slot any more. Above that, callbacks keep their slots until the server responds.
const endingPerSlot = 4

// awaitEnding waits until the acknowledgements of all completed deliveries are confirmed. The others run again after
// their leases, and the store knows that they were completed.
func (r *run) awaitEnding() {
	until := r.dispatcher.Until().Done()
	var late <-chan time.Time
	for n := cap(r.ending); n > 0; {
		select {
		case r.ending <- struct{}{}:
			n--
		case <-until:
			until, late = nil, time.After(r.dispatcher.Grace())
		case <-late:
			return
		}
	}
}

// notifyFreed notifies every handler's goroutine that slots are free.
func (r *run) notifyFreed(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.dispatcher.Freed():
			for _, h := range r.list() {
				select {
				case h.freed <- struct{}{}:
				default:
				}
			}
		}
	}
}

// renew renews the leases of this Run's deliveries.
func (r *run) renew(ctx context.Context) {
	lease := r.box.options.Lease
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		leases := r.all()
		for _, t := range leases {
			_ = r.box.nc.Publish(t.reply, ackProgress) // the flush reports an error
		}
		if len(leases) == 0 {
			continue
		}
		flushing, cancel := context.WithTimeout(ctx, lease/3)
		err := r.box.nc.FlushWithContext(flushing)
		cancel()
		if err != nil {
			continue // the next acknowledgement reports the error
		}
		r.mu.Lock()
		for _, t := range leases {
			t.renewed = began
		}
		r.mu.Unlock()
	}
}

func (r *run) all() []*fetched {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*fetched, 0, len(r.leases))
	for t := range r.leases {
		list = append(list, t)
	}
	return list
}

func (r *run) addLease(t *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.renewed = time.Now()
	r.leases[t] = struct{}{}
}

func (r *run) dropLease(t *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, t)
}

// isLeased reports whether the lease still holds, so that no other process can have the delivery.
func (r *run) isLeased(t *fetched) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(t.renewed) < r.box.options.Lease
}

// begin starts the callback of a delivery, in the slot that is reserved for it.
func (r *run) begin(ctx context.Context, h *handlerRun, t *fetched) {
	r.addLease(t)
	if t.n == 1 && t.undecodable == nil && ctx.Err() == nil { // the usual case
		r.start(h, t)
		return
	}
	r.preparing.Go(func() {
		switch prepared := r.prepare(ctx, h, t); {
		case prepared && !engine.IsSuspect(t.attempts):
			r.start(h, t)
		case prepared:
			r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1) // other deliveries use the slot meanwhile
			r.startAlone(ctx, h, t)
		default:
			r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
			r.dropLease(t)
		}
	})
}

// suspectTick is how often a suspect checks whether it may run.
const suspectTick = 20 * time.Millisecond

// startAlone starts the callback of a suspect once no other suspect runs. The lease is renewed meanwhile.
func (r *run) startAlone(ctx context.Context, h *handlerRun, t *fetched) {
	for ; ctx.Err() == nil && !h.isClosed(); pause(ctx, suspectTick) {
		if !r.box.active.ReserveSuspect() {
			continue
		}
		if r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), 1) == 0 {
			r.box.active.FreeSuspect()
			continue
		}
		if r.retryUntil(r.returning, func(c context.Context) error { return r.box.markAlone(c, r, t) }) {
			t.suspect = true
			r.start(h, t)
			return
		}
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.box.active.FreeSuspect()
		r.dropLease(t) // the lease has ended, or will end
		return
	}
	r.giveBack(t)
}

// end frees what this process holds for a delivery.
func (r *run) end(t *fetched) {
	if t.suspect {
		r.box.active.FreeSuspect()
	}
	r.dropLease(t)
}

func (r *run) start(h *handlerRun, t *fetched) {
	r.dispatcher.Go(t.delivery, t.state.Tried+1, func(d engine.Decision) {
		if d.Disposition == engine.Complete {
			r.finish(t)
			return
		}
		defer r.end(t)
		r.settle(r.settling, h, t, d)
	})
}

// finish acknowledges a completed delivery in the background, without a slot.
func (r *run) finish(t *fetched) {
	select {
	case r.ending <- struct{}{}:
	case <-r.settling.Done():
		r.end(t)
		return
	}
	go func() {
		defer func() { <-r.ending }()
		defer r.end(t)
		r.retryUntil(r.settling, func(c context.Context) error { return r.box.remove(c, t) })
	}()
}

// prepare loads the history of a delivery, and reports whether to run it now. If not, prepare has settled, postponed or
// returned it.
func (r *run) prepare(ctx context.Context, h *handlerRun, t *fetched) bool {
	if ctx.Err() != nil {
		r.giveBack(t)
		return false
	}
	var isDeadLetter bool
	if !r.retryUntil(r.returning, func(c context.Context) (err error) {
		isDeadLetter, err = r.box.loadHistory(c, t)
		return err
	}) {
		return false // the lease will end
	}
	switch {
	case isDeadLetter: // a process crashed before it removed the delivery
		if r.retryUntil(r.returning, func(c context.Context) error { return r.box.remove(c, t) }) {
			r.dispatcher.DeadLetter(t.deadLetter())
		}
		return false
	case t.undecodable != nil:
		r.settle(r.returning, h, t, engine.Decision{Disposition: engine.DeadLetter, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Rejected, Error: t.undecodable.Error(), Counted: true,
		}})
		return false
	case t.state.Tried >= r.box.options.Policy.MaxAttempts:
		if r.retryUntil(r.returning, func(c context.Context) error { return r.box.deadLetter(c, r, t) }) {
			r.dispatcher.DeadLetter(t.deadLetter())
		}
		return false
	case ctx.Err() != nil:
		r.giveBack(t)
		return false
	case time.Until(t.due) > early:
		r.retryUntil(r.returning, func(c context.Context) error { return r.box.postpone(c, r, t) })
		return false
	}
	return true
}

// early is how much before its due time a delivery may run, because clocks are not exact.
const early = 5 * time.Millisecond

// giveBack returns a delivery that was not started. It counts no attempt.
func (r *run) giveBack(t *fetched) {
	defer r.dropLease(t)
	r.retryUntil(r.returning, func(c context.Context) error {
		if err := r.box.loadRecord(c, t); err != nil {
			return err
		}
		return r.box.postpone(c, r, t)
	})
}

// settle records the result of an attempt, and notifies the policy of a dead letter.
func (r *run) settle(within context.Context, h *handlerRun, t *fetched, d engine.Decision) {
	if d.Attempt.Reason == webhook.ReasonShuttingDown {
		h.close() // otherwise the delivery would be fetched again and again
	}
	t.add(d.Attempt)
	ok := r.retryUntil(within, func(c context.Context) error {
		switch d.Disposition {
		case engine.DeadLetter:
			return r.box.deadLetter(c, r, t)
		case engine.Defer:
			return r.box.deferDelivery(c, r, t)
		default:
			if !t.isRecorded {
				t.due = time.Now().Add(d.After)
			}
			return r.box.postpone(c, r, t)
		}
	})
	if ok && d.Disposition == engine.DeadLetter {
		r.dispatcher.DeadLetter(t.deadLetter())
	}
}

// The pauses between two tries to record a result, and the timeout of one try.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	tryTimeout = 5 * time.Second
)

// retryUntil calls try until it succeeds, or within or the lease has ended. The delivery keeps its slot meanwhile, so
// that a Run does not start more than it can record. If it gives up, the lease ends, and the idempotency store knows
// whether the delivery was completed.
func (r *run) retryUntil(within context.Context, try func(ctx context.Context) error) bool {
	for pause := firstRetry; within.Err() == nil; pause = min(2*pause, lastRetry) {
		ctx, cancel := context.WithTimeout(within, tryTimeout)
		err := try(ctx)
		cancel()
		switch {
		case err == nil:
			return true
		case errors.Is(err, errLeaseEnded):
			r.box.options.Policy.Logger.Warn("inbox: the lease of a delivery ended before its callback returned; another process may run it again", "error", err)
			return false
		case within.Err() != nil, r.box.nc.IsClosed():
			return false
		}
		r.box.report(err)
		select {
		case <-within.Done():
		case <-time.After(pause):
		}
	}
	return false
}
