package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// A run is one call of Run. It takes deliveries under its own token.
type run struct {
	box        *Inbox
	owner      idempotency.Token
	dispatcher *engine.Dispatcher
	unrecorded atomic.Pointer[error] // the error of recording the last result; nil on success
	lookAt     time.Time             // when take looks for due deliveries next; only for take

	mu       sync.Mutex
	handlers map[string]inbox.Handler
	due      map[string]inbox.Handler // the handlers that may have due deliveries
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
	r := &run{box: b, owner: idempotency.NewToken(), dispatcher: d, lookAt: time.Now().Add(b.options.Poll)}
	b.enter(r)
	defer b.leave(r)
	err = d.Work(&engine.Storage{
		Take:     r.take,
		Follow:   r.follow,
		Lease:    b.options.Lease,
		Renew:    []func(context.Context) error{r.renew, r.releaseLost},
		Maintain: []func(context.Context) error{r.resume, r.lookForAbsent},
	})
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

// wake notifies every Run in this process that deliveries of a handler may be due. An empty name means every handler.
func (b *Inbox) wake(handler string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		r.markDue(handler)
		r.dispatcher.Wake()
	}
}

// follow sets the current handlers of the Run. All of them may have due deliveries.
func (r *run) follow(_ context.Context, current []inbox.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers, r.due = make(map[string]inbox.Handler, len(current)), make(map[string]inbox.Handler)
	for _, h := range current {
		name := endpointName(h.Vendor(), h.Endpoint())
		r.handlers[name], r.due[name] = h, h
	}
}

// markDue marks a handler as having due deliveries. An empty name means every handler.
func (r *run) markDue(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.handlers[name]; h != nil {
		r.due[name] = h
	}
	if name == "" {
		maps.Copy(r.due, r.handlers)
	}
}

func (r *run) handler(name string) inbox.Handler {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handlers[name]
}

// takeMost is how many deliveries of a handler one operation takes. Their callbacks begin together.
const takeMost = 128

// take takes due deliveries for every handler that may have some. next is when findDue must look for them again.
func (r *run) take(ctx context.Context) (next time.Duration, err error) {
	if !time.Now().Before(r.lookAt) {
		r.lookAt = time.Now().Add(r.findDue(ctx))
	}
	more, err := r.takeAll(ctx)
	switch {
	case err != nil:
		return r.box.options.Poll, err // the file needs time to recover
	case more:
		return 0, nil
	default:
		return time.Until(r.lookAt), nil
	}
}

// takeAll takes deliveries once for every handler that may have due ones. It reports whether there may be more, and slots
// for them.
func (r *run) takeAll(ctx context.Context) (more bool, err error) {
	quotas, isDue := r.quotas()
	if len(quotas) == 0 {
		r.observeIdle(isDue)
		return false, nil
	}
	slot := r.box.active.ReserveSuspect()
	got, err := r.takeOnce(context.WithoutCancel(ctx), quotas, slot)
	r.box.health.observe(activity{r, taking}, err)
	for _, q := range quotas {
		vendor, endpoint := splitEndpoint(q.handler)
		r.dispatcher.Unreserve(vendor, endpoint, q.n-len(got[q.handler]))
		if err != nil || len(got[q.handler]) == q.n {
			r.markDue(q.handler)
			more = err == nil
		}
		for _, t := range got[q.handler] {
			slot = slot && !t.suspect
			r.dispatcher.Start(t)
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
func (r *run) quotas() (quotas []quota, isDue bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	isDue = len(r.due) > 0
	for name, h := range r.due {
		if n := r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), takeMost); n > 0 {
			delete(r.due, name) // before the query: deliveries stored later set it again
			quotas = append(quotas, quota{name, n})
		}
	}
	return quotas, isDue
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
