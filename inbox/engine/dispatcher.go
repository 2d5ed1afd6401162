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

// A Dispatcher runs the callbacks of deliveries that an engine has taken out of its storage, and returns a [Decision] for
// each. It has the handlers, applies the limits, and drains. [Runs.Begin] returns one for each Run.
type Dispatcher struct {
	policy  inbox.Policy
	runs    *Runs
	limiter *limiter
	changed chan struct{}
	freed   chan struct{}
	woken   chan struct{}

	storage    *Storage        // set by Work, as are the next three
	completing chan struct{}   // has one element for each delivery that is recorded without a slot; may be nil
	recording  context.Context // ends after Drain
	returning  context.Context // ends returnTimeout after the context of the Run, for what was not started

	alerter *Alerter
	pauses  pauses

	ctx, callbacks, until context.Context    // of the Run; of its callbacks; ends when Drain must stop waiting
	end, cancel, cut      context.CancelFunc // of ctx, callbacks and until

	mu       sync.Mutex
	handlers map[string]inbox.Handler
	removed  map[string]bool // the names of removed handlers
	closed   map[string]bool // the names of handlers that have been shut down
	ending   context.Context // the context of Shutdown; nil before Shutdown
	timer    *time.Timer     // ends until after the DrainTimeout
	drained  error           // the error of Drain
	running  map[*webhook.Delivery]struct{}
	warned   map[string]bool // what warnOnce has logged
	group    sync.WaitGroup
}

var errNoHandler = errors.New("inbox: Run must get at least one handler, unless Add was called before")

// newDispatcher returns a dispatcher for the handlers. ctx is the context of the Run. Callbacks get its values; its end
// does not cancel them.
func newDispatcher(ctx context.Context, p inbox.Policy, runs *Runs, handlers []inbox.Handler) (*Dispatcher, error) {
	d := &Dispatcher{
		policy:   p,
		runs:     runs,
		changed:  make(chan struct{}, 1),
		handlers: make(map[string]inbox.Handler, len(handlers)),
		removed:  make(map[string]bool),
		closed:   make(map[string]bool),
		limiter:  newLimiter(&p),
		freed:    make(chan struct{}, 1),
		woken:    make(chan struct{}, 1),
		running:  make(map[*webhook.Delivery]struct{}),
		warned:   make(map[string]bool),
	}
	for i, h := range handlers {
		if h == nil {
			return nil, fmt.Errorf("inbox: handler %d given to Run is nil", i+1)
		}
		name := nameOf(h.Vendor(), h.Endpoint())
		if d.handlers[name] != nil {
			return nil, fmt.Errorf("inbox: two handlers given to Run are for %s; give them different Config.Endpoint", name)
		}
		d.handlers[name] = d.wrap(h)
	}
	d.ctx, d.end = context.WithCancel(ctx)
	d.callbacks, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	d.until, d.cut = context.WithCancel(context.Background()) //nolint:gosec // Drain calls it
	d.alerter = NewAlerter(ctx, p)
	context.AfterFunc(d.ctx, d.startTimer)
	if runs.Controls == nil {
		d.pauses.set(nil)
	} else {
		d.Background(func() { d.followPauses(runs.Controls) })
	}
	return d, nil
}

// wrap returns the handler as this Run uses it.
func (d *Dispatcher) wrap(h inbox.Handler) inbox.Handler {
	if d.runs.Controls == nil {
		return h
	}
	return &pausable{h, &d.pauses}
}

// Reserve reserves up to n slots for callbacks of an endpoint and returns how many it got. It returns 0 if the endpoint
// has no handler. Use each slot for one Start or Go, or give it back by Unreserve. If no slot is free, try again when
// [Dispatcher.Freed] receives.
func (d *Dispatcher) Reserve(vendor, endpoint string, n int) int {
	if !d.isOpen(nameOf(vendor, endpoint)) || !d.pauses.areKnown() {
		return 0
	}
	return d.limiter.reserve(vendor, endpoint, n)
}

// Unreserve gives back n slots.
func (d *Dispatcher) Unreserve(vendor, endpoint string, n int) {
	if n == 0 {
		return
	}
	d.limiter.free(vendor, endpoint, n)
	signal(d.freed)
}

// Freed receives a value after slots have been given back.
func (d *Dispatcher) Freed() <-chan struct{} { return d.freed }

// Go runs the callback of a delivery on a goroutine that [Dispatcher.Drain] waits for, and passes the decision to done. A
// slot must be reserved for it; it is given back once done has returned. tried is how many counted attempts the delivery
// has had, including this one. Engines that use [Dispatcher.Work] call Start instead.
func (d *Dispatcher) Go(delivery *webhook.Delivery, tried int, done func(Decision)) {
	d.group.Go(func() {
		defer d.Unreserve(delivery.Vendor, delivery.Endpoint, 1)
		done(d.dispatch(d.callbacks, delivery, tried))
	})
}

// dispatch runs the callback of a delivery and returns the decision. It returns when the callback does.
func (d *Dispatcher) dispatch(ctx context.Context, delivery *webhook.Delivery, tried int) Decision {
	d.mu.Lock()
	d.running[delivery] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.running, delivery)
		d.mu.Unlock()
	}()
	began := time.Now()
	if d.pauses.include(delivery.Vendor, delivery.Endpoint, delivery.Type) {
		return Decision{Disposition: Defer, Attempt: inbox.Attempt{At: began, Outcome: inbox.Paused}}
	}
	result := webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	if handler := d.handler(delivery.Vendor, delivery.Endpoint); handler != nil {
		result = redeliver(ctx, handler, delivery)
	} else if d.isRemoved(delivery.Vendor, delivery.Endpoint) {
		// The handler was removed after the slot was reserved.
		result = webhook.Result{Outcome: webhook.Unavailable, Reason: webhook.ReasonShuttingDown, Err: errRemoved}
	}
	decision := decide(ctx, &d.policy, &result, tried, began)
	if decision.Disposition == Defer {
		d.warnOnce("inbox: a stored delivery has no callback and stays in the inbox until there is one", delivery)
	}
	return decision
}

// redeliver recovers a panic of the handler. The handler itself recovers panics of callbacks.
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

// warnOnce logs a warning once for each vendor, endpoint and type.
func (d *Dispatcher) warnOnce(text string, delivery *webhook.Delivery) {
	name := nameOf(delivery.Vendor, delivery.Endpoint)
	d.mu.Lock()
	warned := d.warned[name+" "+delivery.Type]
	d.warned[name+" "+delivery.Type] = true
	d.mu.Unlock()
	if !warned {
		d.policy.Logger.Warn(text, "vendor", delivery.Vendor, "endpoint", delivery.Endpoint, "type", delivery.Type)
	}
}

// Absent logs a warning that deliveries are stored for an endpoint without a handler in any Run of this process. It logs
// once for each vendor and endpoint. Engines call it when they find such deliveries.
func (d *Dispatcher) Absent(vendor, endpoint string) {
	if d.handler(vendor, endpoint) != nil || d.runs.handles(vendor, endpoint) {
		return
	}
	d.warnOnce("inbox: stored deliveries have no handler in Run; they stay in the inbox until there is one",
		&webhook.Delivery{Vendor: vendor, Endpoint: endpoint})
}
