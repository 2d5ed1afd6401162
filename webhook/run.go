package webhook

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A run is one call of the callback, on a separate goroutine, because it may last longer than the response.
type run struct {
	*received
	h        *Handler
	lease    *idempotency.Lease
	given    *Delivery       // a copy for the callback, which may change and keep it
	attempts int             // the vendor's attempts including this one; exact only if this one can be the last
	callCtx  context.Context // of the callback
	cancel   context.CancelFunc
	ended    chan struct{}
	result   disposition // valid once ended is closed
}

// start begins the run of a claimed delivery. The callback's context ends at the callback's deadline. The event is decoded
// here, because the stack of the new goroutine is small.
func (h *Handler) start(d *received, lease *idempotency.Lease) *run {
	given := *d.Delivery
	r := &run{received: d, h: h, lease: lease, given: &given, attempts: h.countLater(d, lease), ended: make(chan struct{})}
	ends := d.at.Add(h.options.CallbackTimeout)
	if d.redelivered {
		// The claim may have waited for a duplicate to end. The lease counts from the first key's claim, so ends must too.
		ends = lease.Until().Add(h.options.CallbackTimeout - min(h.options.leaseTime(), longestLease))
	}
	r.callCtx, r.cancel = context.WithDeadline(lease.Context(d.callbackContext()), ends)
	decoded := false
	defer func() {
		h.drain.begin(r)
		if !decoded { // the decoder ended this goroutine, so there is no sender to respond to
			d.event.err = &PanicError{Stack: debug.Stack()}
			go r.reportLate()
		}
		go r.execute()
	}()
	if !d.event.done {
		d.event = h.decode(d)
	}
	decoded = true
	return r
}

// execute runs the callback, settles its result and passes it on, also if the callback panics or ends its goroutine.
func (r *run) execute() {
	growStack()
	returned := false
	var v disposition
	defer func() {
		if !returned {
			v = dispositionOf(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
		r.result = r.settle(v)
		r.cancel()
		close(r.ended)
	}()
	if r.event.value != nil {
		r.event.value.event().delivery = r.given
	}
	v = dispositionOf(r.through(r.callCtx, r.h.options.Middleware)) // before returned is set, because methods of the error may panic
	if v.outcome == Handled && !r.h.Handles(r.Type) {
		v.outcome = Unhandled // only Before has run
	}
	returned = true
}

// callback runs Before and then the callback for the type, if there is one.
func (r *run) callback(ctx context.Context) error {
	h := r.h
	cb := h.callbacks[r.Type]
	if h.onAny != nil {
		if err := h.onAny(ctx, r.given); err != nil {
			return err
		}
	}
	switch {
	case cb != nil && r.event.err != nil:
		return r.event.err
	case cb != nil:
		return cb.call(ctx, r.event.value)
	case h.onUnhandled != nil:
		return h.onUnhandled(ctx, r.given)
	default:
		return nil
	}
}

// await returns the result of the run, or InFlight if the response is due first. Then respond reports the result later.
func (r *run) await() disposition {
	if r.redelivered {
		<-r.ended
		return r.end()
	}
	// Let the callback run first, because most callbacks end at once. It also lets net/http's goroutine for the end of the
	// connection run, which the callback's goroutine has displaced. Otherwise a busy core starves other connections.
	runtime.Gosched()
	if r.hasEnded() {
		return r.end()
	}
	due := time.NewTimer(time.Until(r.respondBy))
	defer due.Stop()
	select {
	case <-r.ended:
		return r.end()
	case <-due.C:
	}
	if r.hasEnded() { // both were ready
		return r.end()
	}
	v := r.describe(disposition{outcome: InFlight, reason: ReasonOverrun, err: errOverrun, running: r})
	if last, counted := r.lastAttempt(); r.h.profile.DisablesEndpoint && (counted || last && r.h.options.DeadLetter != nil) {
		// The vendor does not send the delivery again in any case. A failure status would also disable the endpoint.
		v.reason = ReasonOverrunLast
	}
	return v
}

func (r *run) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// growStack grows the stack of a new goroutine in one step, while there is little on it to copy.
//
//go:noinline
func growStack() {
	var space [5 << 10]byte
	runtime.KeepAlive(&space)
}

// reportLate reports the result of a run that went on after the response.
func (r *run) reportLate() {
	<-r.ended
	v := r.describe(r.result)
	defer r.free() // also if the Observer ends this goroutine
	r.h.report(&r.arrival, r.received, v, true)
}

// end frees the slot of a run that has ended, and returns its result.
func (r *run) end() disposition {
	r.free()
	return r.describe(r.result)
}

// free frees the slot of the run.
func (r *run) free() {
	r.h.running.Add(-1)
	r.h.drain.end(r)
}

// describe adds what the report says about a run.
func (r *run) describe(v disposition) disposition {
	v.failedOpen, v.undecoded = r.lease.FailedOpen(), r.event.undecoded
	return v
}

var (
	errRate    = errors.New("webhook: more deliveries a second than Options.RateLimit allows")
	errRunning = errors.New("webhook: more callbacks at once than Options.MaxRunning allows")
	errOverrun = errors.New("webhook: the callback was still running when the response was due")
)
