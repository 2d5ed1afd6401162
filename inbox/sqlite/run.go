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
	"github.com/aihooks/aihooks-go/webhook"
)

// A run is one call of Run: it takes deliveries under a token of its own.
type run struct {
	box        *Inbox
	owner      idempotency.Token
	dispatcher *inbox.Dispatcher
	woken      chan struct{}
	changed    chan struct{}         // the handlers have, for what waits for a callback
	settling   context.Context       // outlasts the callbacks, for what came of them
	unrecorded atomic.Pointer[error] // why the last result of a callback could not be recorded; nil if it was

	mu    sync.Mutex
	hooks map[string]*hookRun
	due   map[string]*hookRun // those that may have deliveries to take
}

// A hookRun is what a run knows of one hook.
type hookRun struct {
	inbox.Hook
	name   string
	closed bool // the handler has been shut down; under the run's lock
}

// refresh takes over the handlers that the Run has now.
func (r *run) refresh() {
	current := r.dispatcher.Hooks()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.hooks
	r.hooks, r.due = make(map[string]*hookRun, len(current)), make(map[string]*hookRun)
	for _, hook := range current {
		h := before[hookName(hook.Vendor(), hook.Endpoint())]
		if h == nil || h.Hook != hook {
			h = &hookRun{Hook: hook, name: hookName(hook.Vendor(), hook.Endpoint())}
		}
		r.hooks[h.name] = h
		r.setDue(h)
	}
}

// setDue says that there may be deliveries to take. The caller holds the lock.
func (r *run) setDue(h *hookRun) {
	if !h.closed {
		r.due[h.name] = h
	}
}

// isDue is setDue by the name of a hook; an empty one is that of every hook.
func (r *run) isDue(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.hooks[name]; h != nil {
		r.setDue(h)
	}
	if name == "" {
		for _, h := range r.hooks {
			r.setDue(h)
		}
	}
}

func (r *run) close(h *hookRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.closed = true
	delete(r.due, h.name)
}

func (r *run) hook(name string) *hookRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hooks[name]
}

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, hooks ...inbox.Hook) error {
	if b.readOnly {
		return ErrReadOnly
	}
	d, end, err := b.active.Begin(ctx, b.options.Policy, hooks...)
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

	tending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tenders sync.WaitGroup
	tenders.Go(func() { r.tend(tending) })
	err = r.schedule(ctx)
	err = errors.Join(err, d.Drain()) // leases are renewed meanwhile
	stop()
	tenders.Wait()
	b.sayWhatIsLeft()
	return err
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(hooks ...inbox.Hook) error { return b.active.Add(hooks...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(hooks ...inbox.Hook) { b.active.Remove(hooks...) }

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

// wake tells every Run in this process that deliveries of a hook may be due.
func (b *Inbox) wake(hook string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		r.isDue(hook)
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

// takeMost is how many deliveries of a hook are taken at once. All of them are begun at once.
const takeMost = 128

// takeAll takes once for every hook that may have something due. It reports whether there may be more, and places for it.
func (r *run) takeAll(ctx context.Context) (more bool, err error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // the Run is over
	}
	wishes, hooks, isDue := r.wishes()
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
		h := hooks[i]
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), w.n-len(got[w.hook]))
		if err != nil || len(got[w.hook]) == w.n {
			r.isDue(w.hook)
			more = err == nil
		}
		for _, t := range got[w.hook] {
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

// wishes reserves places for every hook that may have something due, as far as there are any. It reports whether any
// may.
func (r *run) wishes() (wishes []wish, hooks []*hookRun, isDue bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	isDue = len(r.due) > 0
	for name, h := range r.due {
		if n := r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), takeMost); n > 0 {
			delete(r.due, name) // before the file is asked: what is stored from now on sets it again
			wishes, hooks = append(wishes, wish{name, n}), append(hooks, h)
		}
	}
	return wishes, hooks, isDue
}

// begin has a delivery called back.
func (r *run) begin(ctx context.Context, h *hookRun, t *taken) {
	switch {
	case ctx.Err() != nil: // the Run has ended while it was taken
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		if err := r.box.giveBack(r.settling, r.owner, t); err != nil {
			r.box.report(err) // the lease will end
		}
		r.free(h, t)
	case t.spoiled != nil:
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.settle(ctx, h, t, inbox.Decision{Verdict: inbox.Bury, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Rejected, Error: t.spoiled.Error(), Counted: true,
		}})
		r.free(h, t)
	default:
		r.dispatcher.Go(t.delivery, t.tried, func(d inbox.Decision) {
			r.settle(r.settling, h, t, d)
			r.free(h, t)
		})
	}
}

// free lets the next suspect run, if this was one.
func (r *run) free(h *hookRun, t *taken) {
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
func (r *run) settle(ctx context.Context, h *hookRun, t *taken, d inbox.Decision) {
	if d.Attempt.Reason == webhook.ReasonShuttingDown {
		r.close(h) // it would be taken again and again
	}
	if !r.put(ctx, t, d) {
		return
	}
	switch {
	case d.Verdict == inbox.Bury:
		r.dispatcher.DeadLetter(t.buried())
	case d.Verdict == inbox.Again && d.After < r.box.options.Poll:
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
func (r *run) put(ctx context.Context, t *taken, d inbox.Decision) bool {
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

// dueByHook returns when the first delivery of each hook that has some in a state is due. It reads two rows for each of
// these hooks, and one if there are none.
const dueByHook = `WITH RECURSIVE hooks(hook) AS (
    SELECT hook FROM (SELECT hook FROM aihooks_inbox WHERE state = ?1 ORDER BY hook LIMIT 1)
    UNION ALL
    SELECT (SELECT hook FROM aihooks_inbox WHERE state = ?1 AND hook > hooks.hook ORDER BY hook LIMIT 1) FROM hooks WHERE hook IS NOT NULL
)
SELECT hook, (SELECT due_at FROM aihooks_inbox WHERE state = ?1 AND hook = hooks.hook ORDER BY due_at LIMIT 1) FROM hooks WHERE hook IS NOT NULL`

// look looks whether anything is due that nobody has told of: the time of its next attempt has come, or another process
// has stored it. It returns how long to wait until the next look. The cost does not grow with the hooks that have nothing.
func (r *run) look(ctx context.Context) time.Duration {
	next := r.lookFor(ctx, pending)
	if !r.box.active.SuspectRuns() {
		next = min(next, r.lookFor(ctx, suspect))
	}
	return next
}

func (r *run) lookFor(ctx context.Context, state int) time.Duration {
	next := r.box.options.Poll
	rows, err := r.box.reads.QueryContext(ctx, dueByHook, state)
	if err == nil {
		err = eachRow(rows, func(scan func(...any) error) error {
			var hook string
			var at *int64 // taken meanwhile
			if err := scan(&hook, &at); err != nil || at == nil || r.hook(hook) == nil {
				return err
			}
			if left := time.Until(time.UnixMilli(*at)); left > 0 {
				next = min(next, left+time.Millisecond)
			} else {
				r.isDue(hook)
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

func splitHook(name string) (vendor, endpoint string) {
	vendor, endpoint, _ = strings.Cut(name, "/")
	return vendor, endpoint
}
