package engine

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

// The limits on calls of [inbox.Policy.OnDeadLetter], for each Run.
const (
	// MaxAlerts is how many calls of OnDeadLetter run at the same time. They do not count as callbacks.
	MaxAlerts = 4

	// MaxAlertsWaiting is how many dead letters wait for a call. OnDeadLetter is not called for more than that. Each dead
	// letter has its line in the log, and [inbox.Inbox.DeadLetters] lists it.
	MaxAlertsWaiting = 256

	// AlertTimeout is the timeout of the context of a call of OnDeadLetter.
	AlertTimeout = time.Minute
)

// An Alerter logs each dead letter and calls [inbox.Policy.OnDeadLetter] for it, on separate goroutines.
type Alerter struct {
	policy inbox.Policy
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	running int
	waiting []inbox.Entry
	closed  bool
	group   sync.WaitGroup
}

// NewAlerter returns an alerter. Calls of OnDeadLetter get the values of ctx. The end of ctx does not cancel them.
func NewAlerter(ctx context.Context, p inbox.Policy) *Alerter {
	a := &Alerter{policy: p}
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return a
}

// DeadLetter logs a dead letter and schedules the call of OnDeadLetter. Call it after the dead letter was stored durably.
// It returns without waiting.
func (a *Alerter) DeadLetter(e inbox.Entry) {
	a.log("inbox: a delivery has become a dead letter", e, "attempts", len(e.Attempts), "error", e.LastError())
	if a.policy.OnDeadLetter == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		a.log("inbox: Policy.OnDeadLetter is not called for a dead letter, because the inbox is shutting down", e)
	case a.running < MaxAlerts:
		a.running++
		a.group.Go(func() { a.work(e) })
	case len(a.waiting) >= MaxAlertsWaiting:
		a.log("inbox: Policy.OnDeadLetter is not called for a dead letter, because too many dead letters wait for a call", e)
	default:
		a.waiting = append(a.waiting, e)
	}
}

func (a *Alerter) log(text string, e inbox.Entry, more ...any) {
	a.policy.Logger.Error(text, append([]any{"vendor", e.Delivery.Vendor, "endpoint", e.Delivery.Endpoint,
		"type", e.Delivery.Type, "id", e.Delivery.ID, "entry", e.ID}, more...)...)
}

// work calls OnDeadLetter for a dead letter, and then starts the call for the next one that waits.
func (a *Alerter) work(e inbox.Entry) {
	defer a.next() // also if OnDeadLetter calls runtime.Goexit
	defer func() {
		if v := recover(); v != nil {
			a.policy.Logger.Error("inbox: Policy.OnDeadLetter panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(a.ctx, AlertTimeout)
	defer cancel()
	a.policy.OnDeadLetter(ctx, e)
}

func (a *Alerter) next() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.running--
		return
	}
	e := a.waiting[0]
	a.waiting[0] = inbox.Entry{} // releases its body, which may be large
	a.waiting = a.waiting[1:]
	a.group.Go(func() { a.work(e) })
}

// Drain waits for the calls of OnDeadLetter that run or wait. If ctx ends first, it cancels those that run, waits up to a
// second for them to return, and does not start those that wait.
func (a *Alerter) Drain(ctx context.Context) {
	idle := make(chan struct{})
	go func() {
		a.wait()
		close(idle)
	}()
	select {
	case <-idle:
		return
	case <-ctx.Done():
		a.cut()
	}
	select {
	case <-idle:
	case <-time.After(deadline.Grace(ctx)):
		a.policy.Logger.Error("inbox: Policy.OnDeadLetter did not return when it was canceled")
	}
}

// wait waits for all calls and prevents new ones.
func (a *Alerter) wait() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.group.Wait()
	a.cancel()
}

// cut cancels the calls that run and drops those that wait.
func (a *Alerter) cut() {
	a.cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for _, e := range a.waiting {
		a.log("inbox: Policy.OnDeadLetter is not called for a dead letter, because the inbox is shutting down", e)
	}
	a.waiting = nil
}
