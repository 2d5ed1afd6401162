package sqliteinbox

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

// A run is one call of Run. It takes deliveries under its own token.
type run struct {
	box        *Inbox
	owner      idempotency.Token
	dispatcher *engine.Dispatcher
	woken      chan struct{}
	changed    chan struct{}         // receives after the handlers have changed
	settling   context.Context       // for recording results; outlasts the callbacks
	unrecorded atomic.Pointer[error] // the error of recording the last result; nil on success

	mu       sync.Mutex
	handlers map[string]*handlerRun
	due      map[string]*handlerRun // the handlers that may have due deliveries
}

// A handlerRun is the state of one handler in a run.
type handlerRun struct {
	inbox.Handler
	name   string
	closed bool // the handler has been shut down; guarded by run.mu
}

// refresh reads the current handlers of the Run.
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

// setDue marks a handler as having due deliveries. The caller holds the lock.
func (r *run) setDue(h *handlerRun) {
	if !h.closed {
		r.due[h.name] = h
	}
}

// markDue is setDue by the name of a handler. An empty name means every handler.
func (r *run) markDue(name string) {
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
	err = errors.Join(err, d.Drain()) // maintain renews the leases meanwhile
	stop()
	maintainers.Wait()
	b.logDrained()
	return err
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(handlers ...inbox.Handler) error { return b.active.Add(handlers...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(handlers ...inbox.Handler) { b.active.Remove(handlers...) }

// Shutdown implements [inbox.Inbox]. The file stays open until Close.
func (b *Inbox) Shutdown(ctx context.Context) error { return b.active.Shutdown(ctx) }

// enter adds a Run to those of this process, and leave removes it.
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

// orClosed replaces ErrShutdown by ErrClosed if the inbox is closed.
func (b *Inbox) orClosed(err error) error {
	if errors.Is(err, inbox.ErrShutdown) && b.closed.Load() {
		return ErrClosed
	}
	return err
}

// wake notifies every Run in this process that deliveries of a handler may be due.
func (b *Inbox) wake(handler string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		r.markDue(handler)
		signal(r.woken)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// schedule takes due deliveries while slots are free, until ctx ends or the inbox is closed.
func (r *run) schedule(ctx context.Context) error {
	poll := time.NewTimer(r.box.options.Poll)
	defer poll.Stop()
	for {
		more, err := r.takeAll(ctx)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err != nil:
			pause(ctx, r.box.options.Poll) // even if slots are free: the file needs time to recover
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
			poll.Reset(r.findDue(ctx))
		}
	}
}

// takeMost is how many deliveries of a handler one operation takes. Their callbacks begin together.
const takeMost = 128

// takeAll takes deliveries once for every handler that may have due ones. It reports whether there may be more, and slots
// for them.
func (r *run) takeAll(ctx context.Context) (more bool, err error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // the Run is over
	}
	quotas, handlers, isDue := r.quotas()
	if len(quotas) == 0 {
		r.observeIdle(isDue)
		return false, nil
	}
	slot := r.box.active.ReserveSuspect()
	got, err := r.box.take(r.settling, r.owner, quotas, slot)
	if !errors.Is(err, ErrClosed) {
		r.box.health.observe(activity{r, taking}, err)
	}
	for i, q := range quotas {
		h := handlers[i]
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), q.n-len(got[q.handler]))
		if err != nil || len(got[q.handler]) == q.n {
			r.markDue(q.handler)
			more = err == nil
		}
		for _, t := range got[q.handler] {
			slot = slot && !t.suspect
			r.begin(ctx, h, t)
		}
	}
	if slot { // no suspect was taken
		r.box.active.FreeSuspect()
	}
	return more, err
}

// observeIdle records that no delivery was taken. If results cannot be recorded, their callbacks may occupy every slot;
// then this counts as a failure.
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

// quotas reserves slots for every handler that may have due deliveries. isDue reports whether there is any such handler.
func (r *run) quotas() (quotas []quota, handlers []*handlerRun, isDue bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	isDue = len(r.due) > 0
	for name, h := range r.due {
		if n := r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), takeMost); n > 0 {
			delete(r.due, name) // before the query: deliveries stored later set it again
			quotas, handlers = append(quotas, quota{name, n}), append(handlers, h)
		}
	}
	return quotas, handlers, isDue
}

// begin runs the callback of a delivery.
func (r *run) begin(ctx context.Context, h *handlerRun, t *taken) {
	switch {
	case ctx.Err() != nil: // the Run ended in the meantime
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		if err := r.box.giveBack(r.settling, r.owner, t); err != nil {
			r.box.report(err) // the lease ends by itself
		}
		r.free(h, t)
	case t.readErr != nil:
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.settle(ctx, h, t, engine.Decision{Disposition: engine.DeadLetter, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Rejected, Error: t.readErr.Error(), Counted: true,
		}})
		r.free(h, t)
	default:
		r.dispatcher.Go(t.delivery, t.tried, func(d engine.Decision) {
			r.settle(r.settling, h, t, d)
			r.free(h, t)
		})
	}
}

// free frees the slot for suspects if this was one.
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

// settle records the outcome of a delivery and reports a dead letter.
func (r *run) settle(ctx context.Context, h *handlerRun, t *taken, d engine.Decision) {
	if d.Attempt.Reason == webhook.ReasonShuttingDown {
		r.close(h) // otherwise it would be taken again and again
	}
	if !r.record(ctx, t, d) {
		return
	}
	switch {
	case d.Disposition == engine.DeadLetter:
		r.dispatcher.DeadLetter(t.deadLetter())
	case d.Disposition == engine.Retry && d.After < r.box.options.Poll:
		time.AfterFunc(d.After, func() { r.box.wake(h.name) })
	}
}

// The pauses between attempts to record a result.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// record writes the decision until it succeeds or ctx ends. Meanwhile the delivery keeps its lease, and its slot, so that
// no more callbacks begin than can be recorded. After the Run has ended, the lease ends too. Then the idempotency store
// knows whether the callback has completed.
func (r *run) record(ctx context.Context, t *taken, d engine.Decision) bool {
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
			r.box.options.Policy.Logger.Warn("inbox: the lease of a delivery had ended before its callback did; another process takes it over",
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

// dueByEndpoint returns, for each handler with deliveries in a state, when its first one is due. It reads two rows for
// each such handler, and one row if there is no such handler.
const dueByEndpoint = `WITH RECURSIVE handlers(handler) AS (
    SELECT handler FROM (SELECT handler FROM aihooks_inbox WHERE state = ?1 ORDER BY handler LIMIT 1)
    UNION ALL
    SELECT (SELECT handler FROM aihooks_inbox WHERE state = ?1 AND handler > handlers.handler ORDER BY handler LIMIT 1) FROM handlers WHERE handler IS NOT NULL
)
SELECT handler, (SELECT due_at FROM aihooks_inbox WHERE state = ?1 AND handler = handlers.handler ORDER BY due_at LIMIT 1) FROM handlers WHERE handler IS NOT NULL`

// findDue marks the handlers with deliveries that became due without a notification: the time of an attempt has come, or
// another process has stored a delivery. It returns how long to wait until the next call. Handlers without deliveries
// cost nothing.
func (r *run) findDue(ctx context.Context) time.Duration {
	next := r.findDueIn(ctx, pending)
	if !r.box.active.SuspectRuns() {
		next = min(next, r.findDueIn(ctx, suspect))
	}
	return next
}

func (r *run) findDueIn(ctx context.Context, state int) time.Duration {
	next := r.box.options.Poll
	rows, err := r.box.reads.QueryContext(ctx, dueByEndpoint, state)
	if err == nil {
		err = eachRow(rows, func(scan func(...any) error) error {
			var handler string
			var at *int64 // nil if it was taken meanwhile
			if err := scan(&handler, &at); err != nil || at == nil || r.handler(handler) == nil {
				return err
			}
			if left := time.Until(time.UnixMilli(*at)); left > 0 {
				next = min(next, left+time.Millisecond)
			} else {
				r.markDue(handler)
			}
			return nil
		})
	}
	if ctx.Err() != nil {
		return next
	}
	if err != nil {
		err = fmt.Errorf("sqliteinbox: find due deliveries: %w", err)
	}
	r.box.health.observe(activity{r, looking}, err)
	return next
}

func splitEndpoint(name string) (vendor, endpoint string) {
	vendor, endpoint, _ = strings.Cut(name, "/")
	return vendor, endpoint
}
