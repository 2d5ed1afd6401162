package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// A run is one call of Run: it takes deliveries under a token of its own.
type run struct {
	box        *Inbox
	owner      idempotency.Token
	dispatcher *engine.Dispatcher
	woken      chan struct{}
	changed    chan struct{}         // the handlers have, for what waits for a callback
	settling   context.Context       // outlasts the callbacks, for what came of them
	unrecorded atomic.Pointer[error] // why the last result of a callback could not be recorded; nil if it was

	mu       sync.Mutex
	handlers map[string]*handlerRun
	due      map[string]*handlerRun // those that may have deliveries to take
}

// A handlerRun is what a run knows of one handler.
type handlerRun struct {
	inbox.Handler
	name   string
	closed bool // the handler has been shut down; under the run's lock
}

// refresh takes over the handlers that the Run has now.
func (r *run) refresh() {
	current := r.dispatcher.Handlers()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.handlers
	r.handlers, r.due = make(map[string]*handlerRun, len(current)), make(map[string]*handlerRun)
	for _, handler := range current {
		h := before[endpointName(handler.Vendor(), handler.Endpoint())]
		if h == nil || h.Handler != handler {
			h = &handlerRun{Handler: handler, name: endpointName(handler.Vendor(), handler.Endpoint())}
		}
		r.handlers[h.name] = h
		r.setDue(h)
	}
}

// setDue says that there may be deliveries to take. The caller holds the lock.
func (r *run) setDue(h *handlerRun) {
	if !h.closed {
		r.due[h.name] = h
	}
}

// isDue is setDue by the name of a handler; an empty one is that of every handler.
func (r *run) isDue(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.handlers[name]; h != nil {
		r.setDue(h)
	}
	if name == "" {
		for _, h := range r.handlers {
			r.setDue(h)
		}
	}
}

func (r *run) close(h *handlerRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.closed = true
	delete(r.due, h.name)
}

func (r *run) handler(name string) *handlerRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handlers[name]
}

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, handlers ...inbox.Handler) error {
	if b.readOnly {
		return ErrReadOnly
	}
	d, end, err := b.active.Begin(ctx, b.options.Policy, handlers...)
	if err != nil {
		return b.orClosed(err)
	}
	defer end()
	ctx = d.Context()
	settling, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	r := &run{
		box: b, owner: idempotency.NewToken(), dispatcher: d, settling: settling,
		woken: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	r.refresh()
	b.enter(r)
	defer b.leave(r)

	maintaining, stop := context.WithCancel(context.WithoutCancel(ctx))
	var maintainers sync.WaitGroup
	maintainers.Go(func() { r.maintain(maintaining) })
	err = r.schedule(ctx)
	err = errors.Join(err, d.Drain()) // leases are renewed meanwhile
	stop()
	maintainers.Wait()
	b.sayWhatIsLeft()
	return err
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(handlers ...inbox.Handler) error { return b.active.Add(handlers...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(handlers ...inbox.Handler) { b.active.Remove(handlers...) }

// Shutdown implements [inbox.Inbox]. The file stays open until Close.
func (b *Inbox) Shutdown(ctx context.Context) error { return b.active.Shutdown(ctx) }

// enter and leave say that a Run is under way.
func (b *Inbox) enter(r *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[r] = struct{}{}
}

func (b *Inbox) leave(r *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, r)
	b.health.forget(activity{r, taking}, activity{r, looking})
}

// orClosed returns ErrClosed for a Run of an inbox that is being closed.
func (b *Inbox) orClosed(err error) error {
	if errors.Is(err, inbox.ErrShutdown) && b.closed.Load() {
		return ErrClosed
	}
	return err
}

// wake tells every Run in this process that deliveries of a handler may be due.
func (b *Inbox) wake(handler string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		r.isDue(handler)
		signal(r.woken)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// schedule takes what is due, as far as there are places, until ctx ends or the inbox is closed.
func (r *run) schedule(ctx context.Context) error {
	poll := time.NewTimer(r.box.options.Poll)
	defer poll.Stop()
	for {
		more, err := r.takeAll(ctx)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err != nil:
			pause(ctx, r.box.options.Poll) // whatever else happens: the file will not be better for being asked at once
		case more:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.woken:
		case <-r.dispatcher.Freed():
		case <-r.dispatcher.Changed():
			r.refresh()
			signal(r.changed)
		case <-poll.C:
			poll.Reset(r.look(ctx))
		}
	}
}

// takeMost is how many deliveries of a handler are taken at once. All of them are begun at once.
const takeMost = 128

// takeAll takes once for every handler that may have something due. It reports whether there may be more, and places for it.
func (r *run) takeAll(ctx context.Context) (more bool, err error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // the Run is over
	}
	wishes, handlers, isDue := r.wishes()
	if len(wishes) == 0 {
		r.observeIdle(isDue)
		return false, nil
	}
	slot := r.box.active.ReserveSuspect()
	got, err := r.box.take(r.settling, r.owner, wishes, slot)
	if !errors.Is(err, ErrClosed) {
		r.box.health.observe(activity{r, taking}, err)
	}
	for i, w := range wishes {
		h := handlers[i]
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), w.n-len(got[w.handler]))
		if err != nil || len(got[w.handler]) == w.n {
			r.isDue(w.handler)
			more = err == nil
		}
		for _, t := range got[w.handler] {
			slot = slot && !t.suspect
			r.begin(ctx, h, t)
		}
	}
	if slot { // no suspect has it
		r.box.active.FreeSuspect()
	}
	return more, err
}

// observeIdle records that nothing was taken. If every slot has a callback whose result cannot be recorded, nothing can be.
func (r *run) observeIdle(isDue bool) {
	taking := activity{r, taking}
	err := r.unrecorded.Load()
	switch {
	case !isDue:
		r.box.health.forget(taking)
	case err != nil:
		r.box.health.observe(taking, *err)
	default:
		r.box.health.observe(taking, nil)
	}
}

// wishes reserves places for every handler that may have something due, as far as there are any. It reports whether any
// may.
func (r *run) wishes() (wishes []wish, handlers []*handlerRun, isDue bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	isDue = len(r.due) > 0
	for name, h := range r.due {
		if n := r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), takeMost); n > 0 {
			delete(r.due, name) // before the file is asked: what is stored from now on sets it again
			wishes, handlers = append(wishes, wish{name, n}), append(handlers, h)
		}
	}
	return wishes, handlers, isDue
}

// begin has a delivery called back.
func (r *run) begin(ctx context.Context, h *handlerRun, t *taken) {
	switch {
	case ctx.Err() != nil: // the Run has ended while it was taken
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		if err := r.box.giveBack(r.settling, r.owner, t); err != nil {
			r.box.report(err) // the lease will end
		}
		r.free(h, t)
	case t.spoiled != nil:
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.settle(ctx, h, t, engine.Decision{Disposition: engine.DeadLetter, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Rejected, Error: t.spoiled.Error(), Counted: true,
		}})
		r.free(h, t)
	default:
		r.dispatcher.Go(t.delivery, t.tried, func(d engine.Decision) {
			r.settle(r.settling, h, t, d)
			r.free(h, t)
		})
	}
}

// free lets the next suspect run, if this was one.
func (r *run) free(h *handlerRun, t *taken) {
	if t.suspect {
		r.box.active.FreeSuspect()
		r.box.wake(h.name)
	}
}

func (b *Inbox) giveBack(ctx context.Context, owner idempotency.Token, t *taken) error {
	return b.writer.run(ctx, func(c *conn) error {
		state := pending
		if t.suspect {
			state = suspect
		}
		_, err := c.exec(giveBack, milliseconds(time.Now()), t.id, owner[:], t.takes, state)
		return err
	})
}

// settle puts down what becomes of a delivery, and tells whom it concerns.
func (r *run) settle(ctx context.Context, h *handlerRun, t *taken, d engine.Decision) {
	if d.Attempt.Reason == webhook.ReasonShuttingDown {
		r.close(h) // it would be taken again and again
	}
	if !r.put(ctx, t, d) {
		return
	}
	switch {
	case d.Disposition == engine.DeadLetter:
		r.dispatcher.DeadLetter(t.deadLetter())
	case d.Disposition == engine.Retry && d.After < r.box.options.Poll:
		time.AfterFunc(d.After, func() { r.box.wake(h.name) })
	}
}

// The pauses between two tries to put something down.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// put tries to write until it succeeds, or ctx ends. Meanwhile the delivery keeps its place, so that no more is begun than
// can be put down, and its lease. Once the Run is over, the lease ends, and the idempotency store knows whether it was done.
func (r *run) put(ctx context.Context, t *taken, d engine.Decision) bool {
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		err := r.box.settle(ctx, r.owner, t, d)
		if err == nil || errors.Is(err, errLeaseEnded) {
			r.unrecorded.Store(nil)
		}
		switch {
		case err == nil:
			return true
		case errors.Is(err, ErrClosed):
			return false
		case errors.Is(err, errLeaseEnded):
			r.box.options.Policy.Logger.Warn("inbox: the lease of a delivery had ended before its callback did; another process has it, or will",
				"entry", t.id, "vendor", t.delivery.Vendor, "endpoint", t.delivery.Endpoint, "id", t.delivery.ID)
			return false
		}
		r.unrecorded.Store(&err)
		r.box.report(err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// dueByEndpoint returns when the first delivery of each handler that has some in a state is due. It reads two rows for each of
// these handlers, and one if there are none.
const dueByEndpoint = `WITH RECURSIVE handlers(handler) AS (
    SELECT handler FROM (SELECT handler FROM aihooks_inbox WHERE state = ?1 ORDER BY handler LIMIT 1)
    UNION ALL
    SELECT (SELECT handler FROM aihooks_inbox WHERE state = ?1 AND handler > handlers.handler ORDER BY handler LIMIT 1) FROM handlers WHERE handler IS NOT NULL
)
SELECT handler, (SELECT due_at FROM aihooks_inbox WHERE state = ?1 AND handler = handlers.handler ORDER BY due_at LIMIT 1) FROM handlers WHERE handler IS NOT NULL`

// look looks whether anything is due that nobody has told of: the time of its next attempt has come, or another process
// has stored it. It returns how long to wait until the next look. The cost does not grow with the handlers that have nothing.
func (r *run) look(ctx context.Context) time.Duration {
	next := r.lookFor(ctx, pending)
	if !r.box.active.SuspectRuns() {
		next = min(next, r.lookFor(ctx, suspect))
	}
	return next
}

func (r *run) lookFor(ctx context.Context, state int) time.Duration {
	next := r.box.options.Poll
	rows, err := r.box.reads.QueryContext(ctx, dueByEndpoint, state)
	if err == nil {
		err = eachRow(rows, func(scan func(...any) error) error {
			var handler string
			var at *int64 // taken meanwhile
			if err := scan(&handler, &at); err != nil || at == nil || r.handler(handler) == nil {
				return err
			}
			if left := time.Until(time.UnixMilli(*at)); left > 0 {
				next = min(next, left+time.Millisecond)
			} else {
				r.isDue(handler)
			}
			return nil
		})
	}
	if ctx.Err() != nil {
		return next
	}
	if err != nil {
		err = fmt.Errorf("sqlite: look for what is due: %w", err)
	}
	r.box.health.observe(activity{r, looking}, err)
	return next
}

func splitEndpoint(name string) (vendor, endpoint string) {
	vendor, endpoint, _ = strings.Cut(name, "/")
	return vendor, endpoint
}
