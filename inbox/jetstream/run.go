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
	"github.com/aihooks/aihooks-go/webhook"
)

// A run is one call of Run.
type run struct {
	box        *Inbox
	name       string // tells it apart from all others
	dispatcher *inbox.Dispatcher
	changed    chan struct{}   // the handlers have, for what waits for a callback
	settling   context.Context // outlasts the callbacks, for what came of them
	returning  context.Context // outlasts the Run's own a little, for what is not begun any more
	preparing  sync.WaitGroup  // of deliveries that may yet be begun
	ending     chan struct{}   // holds one for each delivery that is done, and that the server is being told of

	mu    sync.Mutex
	held  map[*taken]struct{} // what is leased
	hooks map[string]*hookRun
}

// A hookRun is what a run knows of one hook. Its goroutine asks for the hook's deliveries.
type hookRun struct {
	inbox.Hook
	run    *run
	cancel context.CancelFunc // ends its goroutine
	freed  chan struct{}
	puller *puller

	// The goroutine's own:
	places int  // reserved, for what has been asked for
	more   bool // there may be more than what has come

	mu     sync.Mutex
	closed bool // the handler has been shut down
}

func (h *hookRun) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

func (h *hookRun) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, hooks ...inbox.Hook) error {
	d, end, err := b.active.Begin(ctx, b.options.Policy, hooks...)
	if err != nil {
		return err
	}
	defer end()
	ctx, stopWatching := b.whileConnected(d.Context())
	defer stopWatching()
	settling, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	r := &run{box: b, name: idempotency.NewToken().String(), dispatcher: d, settling: settling, held: make(map[*taken]struct{}), changed: make(chan struct{}, 1)}
	r.ending = make(chan struct{}, endingPerPlace*b.options.Policy.Concurrency)
	returning, returned := context.WithCancel(settling)
	defer returned()
	r.returning = returning
	context.AfterFunc(ctx, func() { time.AfterFunc(returnPatience, returned) })
	tending, stop := context.WithCancel(settling)
	defer stop()
	var tenders, starting, pulling sync.WaitGroup
	starting.Go(func() {
		r.follow(ctx, func(ctx context.Context, h *hookRun) {
			starting.Add(1)
			pulling.Go(func() { h.pull(ctx, starting.Done) })
		})
	})
	tenders.Go(func() { r.renew(tending) })
	tenders.Go(func() { r.spread(tending) })
	tenders.Go(func() { r.tend(ctx) })
	starting.Wait() // until ctx has ended
	r.preparing.Wait()
	err = d.Drain() // leases are renewed meanwhile
	pulling.Wait()  // what came late has been given back
	r.awaitEnding()
	stop()
	tenders.Wait()
	if context.Cause(ctx) == errClosed { //nolint:errorlint // it is set as it is
		b.options.Policy.Logger.Error("inbox: Run ends because the NATS connection is closed; deliveries are refused with 503", "stream", b.name, "error", b.nc.LastError())
		err = errors.Join(err, errClosed)
	}
	return err
}

// errClosed is returned by Run when the connection does not come back.
var errClosed = fmt.Errorf("jetstream: the connection is closed, and Run cannot go on: "+
	"connect with nats.MaxReconnects(-1), and close the connection after Run has returned: %w", nats.ErrConnectionClosed)

// whileConnected returns a context that ends with ctx, or with the cause errClosed when the connection is closed: by the user,
// or because all attempts to reconnect have failed.
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

// follow starts a goroutine for each handler that the Run has, and ends those of handlers that are removed, until ctx ends.
func (r *run) follow(ctx context.Context, start func(context.Context, *hookRun)) {
	for ctx.Err() == nil {
		for _, h := range r.refresh() {
			hookCtx, cancel := context.WithCancel(ctx)
			h.cancel = cancel
			start(hookCtx, h)
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

// refresh takes over the handlers that the Run has now, and returns the new ones.
func (r *run) refresh() (added []*hookRun) {
	current := r.dispatcher.Hooks()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.hooks
	r.hooks = make(map[string]*hookRun, len(current))
	for _, hook := range current {
		name := consumerName(hook.Vendor(), hook.Endpoint())
		h := before[name]
		if h == nil || h.Hook != hook {
			h = &hookRun{Hook: hook, run: r, freed: make(chan struct{}, 1)}
			added = append(added, h)
		}
		r.hooks[name] = h
	}
	for name, h := range before {
		if r.hooks[name] != h {
			h.cancel()
		}
	}
	return added
}

func (r *run) list() []*hookRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.hooks))
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(hooks ...inbox.Hook) error { return b.active.Add(hooks...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(hooks ...inbox.Hook) { b.active.Remove(hooks...) }

// Shutdown implements [inbox.Inbox]. The connection stays open.
func (b *Inbox) Shutdown(ctx context.Context) error { return b.active.Shutdown(ctx) }

// returnPatience is how long after the end of its context a Run tries to give back what it has not begun. Otherwise it is run
// by somebody else once its lease has ended. The callbacks that do run have their time after that.
const returnPatience = 2 * time.Second

// endingPerPlace is how many deliveries that are done may wait for the server's word, for each callback that may run: they
// have no place any more. Past that, callbacks keep their places until the server answers.
const endingPerPlace = 4

// awaitEnding waits until the server has been told of all deliveries that are done. Those that it could not be told of run
// again once their leases have ended, and the store knows that they were done.
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

// spread tells every hook's goroutine that places have been given back.
func (r *run) spread(ctx context.Context) {
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

// renew renews the leases of what this Run has.
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
		held := r.all()
		for _, t := range held {
			_ = r.box.nc.Publish(t.reply, progress) // the flush tells whether it came through
		}
		if len(held) == 0 {
			continue
		}
		flushing, cancel := context.WithTimeout(ctx, lease/3)
		err := r.box.nc.FlushWithContext(flushing)
		cancel()
		if err != nil {
			continue // whatever needs it will say so
		}
		r.mu.Lock()
		for _, t := range held {
			t.renewed = began
		}
		r.mu.Unlock()
	}
}

func (r *run) all() []*taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*taken, 0, len(r.held))
	for t := range r.held {
		list = append(list, t)
	}
	return list
}

func (r *run) hold(t *taken) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.renewed = time.Now()
	r.held[t] = struct{}{}
}

func (r *run) drop(t *taken) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, t)
}

// leased reports whether the delivery cannot have been given to another process yet.
func (r *run) leased(t *taken) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(t.renewed) < r.box.options.Lease
}

// begin has a delivery called back, in the place that is reserved for it.
func (r *run) begin(ctx context.Context, h *hookRun, t *taken) {
	r.hold(t)
	if t.n == 1 && t.spoiled == nil && ctx.Err() == nil { // as nearly all are
		r.start(h, t)
		return
	}
	r.preparing.Go(func() {
		switch prepared := r.prepare(ctx, h, t); {
		case prepared && !inbox.IsSuspect(t.attempts):
			r.start(h, t)
		case prepared:
			r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1) // others use it meanwhile
			r.startAlone(ctx, h, t)
		default:
			r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
			r.drop(t)
		}
	})
}

// suspectTick is how often a suspect looks whether it may run.
const suspectTick = 20 * time.Millisecond

// startAlone has a suspect called back once no other one runs. Meanwhile its lease is renewed.
func (r *run) startAlone(ctx context.Context, h *hookRun, t *taken) {
	for ; ctx.Err() == nil && !h.isClosed(); pause(ctx, suspectTick) {
		if !r.box.active.ReserveSuspect() {
			continue
		}
		if r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), 1) == 0 {
			r.box.active.FreeSuspect()
			continue
		}
		if r.insist(r.returning, func(c context.Context) error { return r.box.accuse(c, r, t) }) {
			t.suspect = true
			r.start(h, t)
			return
		}
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.box.active.FreeSuspect()
		r.drop(t) // the lease has ended, or will
		return
	}
	r.giveBack(t)
}

// end gives up what this process has of a delivery.
func (r *run) end(t *taken) {
	if t.suspect {
		r.box.active.FreeSuspect()
	}
	r.drop(t)
}

func (r *run) start(h *hookRun, t *taken) {
	r.dispatcher.Go(t.delivery, t.state.Tried+1, func(d inbox.Decision) {
		if d.Verdict == inbox.Finish {
			r.finish(t)
			return
		}
		defer r.end(t)
		r.settle(r.settling, h, t, d)
	})
}

// finish ends a delivery that is done, without keeping its place meanwhile.
func (r *run) finish(t *taken) {
	select {
	case r.ending <- struct{}{}:
	case <-r.settling.Done():
		r.end(t)
		return
	}
	go func() {
		defer func() { <-r.ending }()
		defer r.end(t)
		r.insist(r.settling, func(c context.Context) error { return r.box.remove(c, t) })
	}()
}

// prepare finds out what became of the delivery before, and reports whether it is to be run now. If not, it has done what
// is to be done instead.
func (r *run) prepare(ctx context.Context, h *hookRun, t *taken) bool {
	if ctx.Err() != nil {
		r.giveBack(t)
		return false
	}
	var buried bool
	if !r.insist(r.returning, func(c context.Context) (err error) {
		buried, err = r.box.recall(c, t)
		return err
	}) {
		return false // the lease will end
	}
	switch {
	case buried: // its process died between the two
		if r.insist(r.returning, func(c context.Context) error { return r.box.remove(c, t) }) {
			r.dispatcher.DeadLetter(t.buried())
		}
		return false
	case t.spoiled != nil:
		r.settle(r.returning, h, t, inbox.Decision{Verdict: inbox.Bury, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Rejected, Error: t.spoiled.Error(), Counted: true,
		}})
		return false
	case t.state.Tried >= r.box.options.Policy.MaxAttempts:
		if r.insist(r.returning, func(c context.Context) error { return r.box.bury(c, r, t) }) {
			r.dispatcher.DeadLetter(t.buried())
		}
		return false
	case ctx.Err() != nil:
		r.giveBack(t)
		return false
	case time.Until(t.due) > early:
		r.insist(r.returning, func(c context.Context) error { return r.box.postpone(c, r, t) })
		return false
	}
	return true
}

// early is how much before its time a delivery is run: clocks have their steps.
const early = 5 * time.Millisecond

// giveBack gives back what was not begun. It leaves no trace.
func (r *run) giveBack(t *taken) {
	defer r.drop(t)
	r.insist(r.returning, func(c context.Context) error {
		if err := r.box.recallOnce(c, t); err != nil {
			return err
		}
		return r.box.postpone(c, r, t)
	})
}

// settle puts down what becomes of a delivery, and tells whom it concerns.
func (r *run) settle(within context.Context, h *hookRun, t *taken, d inbox.Decision) {
	if d.Attempt.Reason == webhook.ReasonShuttingDown {
		h.close() // it would be taken again and again
	}
	t.add(d.Attempt)
	ok := r.insist(within, func(c context.Context) error {
		switch d.Verdict {
		case inbox.Bury:
			return r.box.bury(c, r, t)
		case inbox.Shelve:
			return r.box.shelve(c, r, t)
		default:
			if !t.noted {
				t.due = time.Now().Add(d.After)
			}
			return r.box.postpone(c, r, t)
		}
	})
	if ok && d.Verdict == inbox.Bury {
		r.dispatcher.DeadLetter(t.buried())
	}
}

// The pauses between two tries to put something down, and how long a try may take.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	tryTimeout = 5 * time.Second
)

// insist tries until it succeeds, or within has ended, or the lease has. Meanwhile the delivery keeps its place, so that no
// more is begun than can be put down. Otherwise the lease ends, and the idempotency store knows whether it was done.
func (r *run) insist(within context.Context, try func(ctx context.Context) error) bool {
	for pause := firstRetry; within.Err() == nil; pause = min(2*pause, lastRetry) {
		ctx, cancel := context.WithTimeout(within, tryTimeout)
		err := try(ctx)
		cancel()
		switch {
		case err == nil:
			return true
		case errors.Is(err, errLeaseEnded):
			r.box.options.Policy.Logger.Warn("inbox: the lease of a delivery had ended before its callback did; another process has it, or will", "error", err)
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
