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
	*passage
	hold   *idempotency.Hold
	given  *Delivery
	ctx    context.Context
	cancel context.CancelFunc

	verdict  chan verdict // has room for one
	answered atomic.Bool  // whoever sets it first decides: the run, by its verdict, or the sender's patience
}

// start begins the run of a delivery that is held. It ends with ctx, or at the callback's deadline.
func (p *passage) start(ctx context.Context, hold *idempotency.Hold) *run {
	// The callback is given a copy: what it does with it while the answer is written is its own business.
	given := *p.delivery
	r := &run{passage: p, hold: hold, given: &given, verdict: make(chan verdict, 1)}
	ends := p.arrived.Add(p.h.options.CallbackTimeout)
	if p.redelivered {
		ends = hold.Until().Add(-leaseMargin) // it may have waited for its twin, and as long as that took
	}
	r.ctx, r.cancel = context.WithDeadline(hold.Context(ctx), ends)
	decoded := false
	defer func() {
		if !decoded { // the decoder ended this goroutine, so there is no sender to respond to
			r.answered.Store(true)
			p.concluded = make(chan struct{})
			close(p.concluded)
		}
		p.h.life.begin(r)
		go r.execute()
	}()
	p.decode()
	decoded = true
	return r
}

// decode makes the typed event. It is done ahead of the callback's goroutine, whose stack is new and small; what is
// wrong with the body is said in the callback's place.
func (p *passage) decode() {
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
	var v verdict
	defer func() {
		if !returned {
			v = judge(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
		r.finish(v)
	}()
	v = judge(r.callback()) // ahead of the recover: the methods of an error are the callback's own code
	returned = true
}

// finish settles what came of the callback and tells whoever waits for it, or, once nobody does, the log.
func (r *run) finish(v verdict) {
	if v.outcome == Handled && r.h.guard.Immediate() && r.answered.CompareAndSwap(false, true) {
		// There is nothing to wait for, and the goroutine that waits has a stack that has grown already.
		r.verdict <- v
		return
	}
	defer r.end()
	v = r.settle(v)
	if r.answered.CompareAndSwap(false, true) {
		v.settled = true
		r.verdict <- v
	} else {
		<-r.concluded
		r.report(v, true)
	}
}

// received settles a verdict that the run left unsettled.
func (r *run) received(v verdict) verdict {
	if !v.settled {
		defer r.end()
		v = r.settle(v)
	}
	return v
}

func (r *run) end() {
	r.cancel()
	r.h.running.Add(-1)
	r.h.life.end(r)
}

// await returns the run's verdict, or, once the answer is due, that it is not there.
func (p *passage) await(r *run) verdict {
	if p.redelivered {
		return r.received(<-r.verdict)
	}
	due := time.NewTimer(time.Until(p.answerBy))
	defer due.Stop()
	select {
	case v := <-r.verdict:
		return r.received(v)
	case <-due.C:
	}
	p.concluded = make(chan struct{}) // before the run can see that nobody waits
	if !r.answered.CompareAndSwap(false, true) {
		return r.received(<-r.verdict)
	}
	v := verdict{outcome: InFlight, reason: ReasonOverrun, err: errors.New("webhook: the callback was still running when the answer was due")}
	if last, counted := p.lastAttempt(); p.h.profile.DisablesEndpoint && (counted || last && p.h.options.DeadLetter != nil) {
		// This was the last time either way. A failure would cost the endpoint and bring nothing back.
		v.reason = ReasonOverrunLast
	}
	return v
}

// callback runs OnAny, then the callback for the type.
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

// An unhandledError is a delivery that OnAny has seen and no callback has handled.
type unhandledError struct{}

func (unhandledError) Error() string { return "unhandled" }

// An undecodableError is a body that does not fit the type of its callback.
type undecodableError struct{ err error }

func (e *undecodableError) Error() string { return e.err.Error() }
func (e *undecodableError) Unwrap() error { return e.err }
