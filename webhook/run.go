package webhook

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A run is one call of the callback, on a goroutine of its own: it may outlast the answer.
type run struct {
	*processing
	lease  *idempotency.Lease
	given  *Delivery
	ctx    context.Context
	cancel context.CancelFunc

	disposition chan disposition // has room for one
	answered    atomic.Bool      // whoever sets it first decides: the run, by its disposition, or the sender's patience
}

// start begins the run of a delivery that is held. It ends with ctx, or at the callback's deadline.
func (p *processing) start(ctx context.Context, lease *idempotency.Lease) *run {
	// The callback is given a copy: what it does with it while the answer is written is its own business.
	given := *p.delivery
	r := &run{processing: p, lease: lease, given: &given, disposition: make(chan disposition, 1)}
	ends := p.arrived.Add(p.h.options.CallbackTimeout)
	if p.redelivered {
		ends = lease.Until().Add(-leaseMargin) // it may have waited for its twin, and as long as that took
	}
	r.ctx, r.cancel = context.WithDeadline(lease.Context(ctx), ends)
	decoded := false
	defer func() {
		if !decoded { // the decoder ended this goroutine, so there is no sender to respond to
			r.answered.Store(true)
			p.responded = make(chan struct{})
			close(p.responded)
		}
		p.h.drain.begin(r)
		go r.execute()
	}()
	p.decode()
	decoded = true
	return r
}

// decode makes the typed event. It is done ahead of the callback's goroutine, whose stack is new and small; what is
// wrong with the body is said in the callback's place.
func (p *processing) decode() {
	cb := p.h.callbacks[p.delivery.Type]
	if cb == nil || p.event != nil || p.undecoded != nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			p.undecoded = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	event, err := p.h.decode(cb.eventType, p.delivery, &p.envelope)
	returned = true
	if err != nil {
		p.undecoded = &undecodableError{err}
		return
	}
	p.event, p.undecodedFields = event, event.event().decoded.undecoded
}

// execute calls back and settles what came of it, also when the callback panics or ends its goroutine.
func (r *run) execute() {
	returned := false
	var v disposition
	defer func() {
		if !returned {
			v = dispositionOf(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
		r.finish(v)
	}()
	v = dispositionOf(r.callback()) // ahead of the recover: the methods of an error are the callback's own code
	returned = true
}

// finish settles what came of the callback and tells whoever waits for it, or, once nobody does, the log.
func (r *run) finish(v disposition) {
	if v.outcome == Handled && r.h.guard.Immediate() && r.answered.CompareAndSwap(false, true) {
		// There is nothing to wait for, and the goroutine that waits has a stack that has grown already.
		r.disposition <- v
		return
	}
	defer r.end()
	v = r.settle(v)
	if r.answered.CompareAndSwap(false, true) {
		v.settled = true
		r.disposition <- v
	} else {
		<-r.responded
		r.report(v, true)
	}
}

// received settles a disposition that the run left unsettled.
func (r *run) received(v disposition) disposition {
	if !v.settled {
		defer r.end()
		v = r.settle(v)
	}
	return v
}

func (r *run) end() {
	r.cancel()
	r.h.running.Add(-1)
	r.h.drain.end(r)
}

// await returns the run's disposition, or, once the answer is due, that it is not there.
func (p *processing) await(r *run) disposition {
	if p.redelivered {
		return r.received(<-r.disposition)
	}
	due := time.NewTimer(time.Until(p.respondBy))
	defer due.Stop()
	select {
	case v := <-r.disposition:
		return r.received(v)
	case <-due.C:
	}
	p.responded = make(chan struct{}) // before the run can see that nobody waits
	if !r.answered.CompareAndSwap(false, true) {
		return r.received(<-r.disposition)
	}
	v := disposition{outcome: InFlight, reason: ReasonOverrun, err: errors.New("webhook: the callback was still running when the answer was due")}
	if last, counted := p.lastAttempt(); p.h.profile.DisablesEndpoint && (counted || last && p.h.options.DeadLetter != nil) {
		// This was the last time either way. A failure would cost the endpoint and bring nothing back.
		v.reason = ReasonOverrunLast
	}
	return v
}

// callback runs Before, then the callback for the type.
func (r *run) callback() error {
	h, d := r.h, r.given
	if h.onAny != nil {
		if err := h.onAny(r.ctx, d); err != nil {
			return err
		}
	}
	cb := h.callbacks[d.Type]
	if cb == nil {
		if h.onUnhandled != nil {
			return h.onUnhandled(r.ctx, d)
		}
		return unhandledError{}
	}
	if r.undecoded != nil {
		return r.undecoded
	}
	r.event.event().delivery = d
	return cb.call(r.ctx, r.event)
}

// An unhandledError is a delivery that Before has seen and no callback has handled.
type unhandledError struct{}

func (unhandledError) Error() string { return "unhandled" }

// An undecodableError is a body that does not fit the type of its callback.
type undecodableError struct{ err error }

func (e *undecodableError) Error() string { return e.err.Error() }
