package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	hooks      []*hookRun
	woken      chan struct{}
	settling   context.Context // outlasts the callbacks, for what came of them
}

// A hookRun is what a run knows of one hook.
type hookRun struct {
	inbox.Hook
	name string

	mu     sync.Mutex
	due    bool // there may be deliveries to take
	closed bool // the handler has been shut down
}

func (h *hookRun) set(due bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = due
}

func (h *hookRun) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

func (h *hookRun) wants() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.due && !h.closed
}

// Run implements [inbox.Inbox].
func (b *Inbox) Run(ctx context.Context, hooks ...inbox.Hook) error {
	d, end, err := b.active.Begin(ctx, b.options.Policy, hooks...)
	if err != nil {
		return b.orClosed(err)
	}
	defer end()
	ctx = d.Context()
	settling, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	r := &run{box: b, owner: idempotency.NewToken(), dispatcher: d, woken: make(chan struct{}, 1), settling: settling}
	for _, h := range hooks {
		r.hooks = append(r.hooks, &hookRun{Hook: h, name: hookName(h.Vendor(), h.Endpoint()), due: true})
	}
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
		for _, h := range r.hooks {
			if hook == "" || h.name == hook {
				h.set(true)
			}
		}
		select {
		case r.woken <- struct{}{}:
		default:
		}
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
			r.box.report(err)
			pause(ctx, r.box.options.Poll) // whatever else happens: the file will not be better for being asked at once
		case more:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.woken:
		case <-r.dispatcher.Freed():
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
	var wishes []wish
	for _, h := range r.hooks {
		if !h.wants() {
			continue
		}
		if n := r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), takeMost); n > 0 {
			h.set(false) // before the file is asked: what is stored from now on sets it again
			wishes = append(wishes, wish{h.name, n})
		}
	}
	if len(wishes) == 0 {
		return false, nil
	}
	got, err := r.box.take(r.settling, r.owner, wishes)
	for _, w := range wishes {
		h := r.hook(w.hook)
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), w.n-len(got[w.hook]))
		if err != nil || len(got[w.hook]) == w.n {
			h.set(true)
			more = err == nil
		}
		for _, t := range got[w.hook] {
			r.begin(ctx, h, t)
		}
	}
	return more, err
}

func (r *run) hook(name string) *hookRun {
	for _, h := range r.hooks {
		if h.name == name {
			return h
		}
	}
	panic("sqlite: a delivery was taken for no hook")
}

// begin has a delivery called back.
func (r *run) begin(ctx context.Context, h *hookRun, t *taken) {
	switch {
	case ctx.Err() != nil: // the Run has ended while it was taken
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		if err := r.box.giveBack(r.settling, r.owner, t); err != nil {
			r.box.report(err) // the lease will end
		}
	case t.spoiled != nil:
		r.dispatcher.Unreserve(h.Vendor(), h.Endpoint(), 1)
		r.settle(ctx, h, t, inbox.Decision{Verdict: inbox.Bury, Attempt: inbox.Attempt{
			At: time.Now().UTC(), Outcome: webhook.Malformed, Error: t.spoiled.Error(), Counted: true,
		}})
	default:
		r.dispatcher.Go(t.delivery, t.tried, func(d inbox.Decision) { r.settle(r.settling, h, t, d) })
	}
}

func (b *Inbox) giveBack(ctx context.Context, owner idempotency.Token, t *taken) error {
	return b.writer.run(ctx, func(c *conn) error {
		_, err := c.exec(giveBack, milliseconds(time.Now()), t.id, owner[:], t.takes)
		return err
	})
}

// settle puts down what becomes of a delivery, and tells whom it concerns.
func (r *run) settle(ctx context.Context, h *hookRun, t *taken, d inbox.Decision) {
	if d.Attempt.Outcome == webhook.ShuttingDown {
		h.close() // it would be taken again and again
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
		r.box.report(err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

const firstDue = `SELECT min(due_at) FROM aihooks_inbox WHERE state = 0 AND hook = ?1`

// look looks whether anything is due that nobody has told of: the time of its next attempt has come, or another process
// has stored it. It returns how long to wait until the next look.
func (r *run) look(ctx context.Context) time.Duration {
	next := r.box.options.Poll
	for _, h := range r.hooks {
		var at *int64
		if err := r.box.reads.QueryRowContext(ctx, firstDue, h.name).Scan(&at); err != nil {
			if ctx.Err() == nil {
				r.box.report(fmt.Errorf("sqlite: %w", err))
			}
			return next
		}
		if at == nil {
			continue
		}
		if left := time.Until(time.UnixMilli(*at)); left > 0 {
			next = min(next, left+time.Millisecond)
		} else {
			h.set(true)
		}
	}
	return next
}

func splitHook(name string) (vendor, endpoint string) {
	vendor, endpoint, _ = strings.Cut(name, "/")
	return vendor, endpoint
}
