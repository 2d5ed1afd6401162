package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Dispatcher runs the callbacks of deliveries that an engine has taken out of its storage, and returns a decision about
// each. It knows the handlers, keeps the limits, and drains. Engines make one for each Run.
type Dispatcher struct {
	policy  inbox.Policy
	runs    *Runs // that it belongs to; nil if it was made by NewDispatcher
	limiter *limiter
	changed chan struct{}
	freed   chan struct{}

	alerter *Alerter

	ctx, callbacks, until context.Context    // of the Run; of its callbacks; ends when Drain has waited long enough
	end, cancel, cut      context.CancelFunc // of each of these

	mu       sync.Mutex
	handlers map[string]inbox.Handler
	removed  map[string]bool // those that handlers had before
	ending   context.Context // of Shutdown; nil before
	timer    *time.Timer     // of the DrainTimeout
	drained  error           // what Drain returned
	running  map[*webhook.Delivery]struct{}
	told     map[string]bool // what has been logged once
	group    sync.WaitGroup
}

// NewDispatcher returns a dispatcher for the handlers. The policy's defaults have been filled in. The context is that of the
// Run; its values are passed on to callbacks, its end is not.
func NewDispatcher(ctx context.Context, p inbox.Policy, handlers ...inbox.Handler) (*Dispatcher, error) {
	if len(handlers) == 0 {
		return nil, errNoHandler
	}
	return newDispatcher(ctx, p, nil, handlers)
}

var errNoHandler = errors.New("inbox: Run needs at least one handler, or a call of Add before")

func newDispatcher(ctx context.Context, p inbox.Policy, runs *Runs, handlers []inbox.Handler) (*Dispatcher, error) {
	d := &Dispatcher{
		policy:   p,
		runs:     runs,
		changed:  make(chan struct{}, 1),
		handlers: make(map[string]inbox.Handler, len(handlers)),
		removed:  make(map[string]bool),
		limiter:  newLimiter(&p),
		freed:    make(chan struct{}, 1),
		running:  make(map[*webhook.Delivery]struct{}),
		told:     make(map[string]bool),
	}
	for i, h := range handlers {
		if h == nil {
			return nil, fmt.Errorf("inbox: handler %d given to Run is nil", i+1)
		}
		name := nameOf(h.Vendor(), h.Endpoint())
		if d.handlers[name] != nil {
			return nil, fmt.Errorf("inbox: two handlers given to Run are for %s; give them different Config.Endpoint", name)
		}
		d.handlers[name] = h
	}
	d.ctx, d.end = context.WithCancel(ctx)
	d.callbacks, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	d.until, d.cut = context.WithCancel(context.Background()) //nolint:gosec // Drain calls it
	d.alerter = NewAlerter(ctx, p)
	context.AfterFunc(d.ctx, d.startTimer)
	return d, nil
}

// Reserve reserves places for up to n callbacks of a vendor's endpoint and returns how many it got: none if there is no
// handler for it. Each is used by one Go or Dispatch, or given back by Unreserve. The engine that finds no place looks again
// when [Dispatcher.Freed] says so.
func (d *Dispatcher) Reserve(vendor, endpoint string, n int) int {
	if d.handler(vendor, endpoint) == nil {
		return 0
	}
	return d.limiter.reserve(vendor, endpoint, n)
}

// Unreserve gives back n places.
func (d *Dispatcher) Unreserve(vendor, endpoint string, n int) {
	if n == 0 {
		return
	}
	d.limiter.free(vendor, endpoint, n)
	select {
	case d.freed <- struct{}{}:
	default:
	}
}

// Freed receives a value after places have been given back.
func (d *Dispatcher) Freed() <-chan struct{} { return d.freed }

// Go runs Dispatch on a goroutine that [Dispatcher.Drain] waits for, and has done told the decision there. The place is
// given back once done has returned.
func (d *Dispatcher) Go(delivery *webhook.Delivery, tried int, done func(Decision)) {
	d.group.Go(func() {
		defer d.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		done(d.Dispatch(d.callbacks, delivery, tried))
	})
}

// Dispatch calls back for a delivery, for which a slot has been reserved, and returns the decision about it. tried is how many
// attempts it will have had with this one, of those that count. It returns when the callback does. Engines that own
// no goroutines of Run's own call it with a context of theirs.
func (d *Dispatcher) Dispatch(ctx context.Context, delivery *webhook.Delivery, tried int) Decision {
	d.mu.Lock()
	d.running[delivery] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.running, delivery)
		d.mu.Unlock()
	}()
	began := time.Now()
	result := webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	if handler := d.handler(delivery.Vendor, delivery.Endpoint); handler != nil {
		result = redeliver(ctx, handler, delivery)
	} else if d.isRemoved(delivery.Vendor, delivery.Endpoint) {
		result = webhook.Result{Outcome: webhook.Unavailable, Reason: webhook.ReasonShuttingDown, Err: errRemoved} // after its slot was reserved
	}
	decision := decide(ctx, &d.policy, &result, tried, began)
	if decision.Disposition == Defer {
		d.tellOnce("inbox: a stored delivery has no callback and stays in the inbox until there is one", delivery)
	}
	return decision
}

// redeliver contains a panic that is not the callback's: the handler catches those.
func redeliver(ctx context.Context, handler inbox.Handler, delivery *webhook.Delivery) (result webhook.Result) {
	defer func() {
		if p := recover(); p != nil {
			result = webhook.Result{Outcome: webhook.Failed, Reason: webhook.ReasonPanic, Err: &webhook.PanicError{Value: p, Stack: debug.Stack()}}
		}
	}()
	return handler.Redeliver(ctx, delivery)
}

// DeadLetter reports a dead letter: see [Alerter.DeadLetter].
func (d *Dispatcher) DeadLetter(e inbox.Entry) { d.alerter.DeadLetter(e) }

// tellOnce writes a warning about what has no handler in this Run, once for each vendor, endpoint and type.
func (d *Dispatcher) tellOnce(text string, delivery *webhook.Delivery) {
	name := nameOf(delivery.Vendor, delivery.Endpoint)
	d.mu.Lock()
	told := d.told[name+" "+delivery.Type]
	d.told[name+" "+delivery.Type] = true
	d.mu.Unlock()
	if !told {
		d.policy.Logger.Warn(text, "vendor", delivery.Vendor, "endpoint", delivery.Endpoint, "type", delivery.Type)
	}
}

// Absent writes a warning, once for each vendor and endpoint, that deliveries are stored for which no Run of this process
// has a handler. Engines that look for such call it.
func (d *Dispatcher) Absent(vendor, endpoint string) {
	if d.handler(vendor, endpoint) != nil || d.runs.handles(vendor, endpoint) {
		return
	}
	d.tellOnce("inbox: deliveries are stored for which Run was given no handler; they stay in the inbox until there is one",
		&webhook.Delivery{Vendor: vendor, Endpoint: endpoint})
}
