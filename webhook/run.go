package webhook

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A run is one call of the callback, on a separate goroutine, because it may last longer than the response.
type run struct {
	*processing
	lease  *idempotency.Lease
	given  *Delivery
	ctx    context.Context
	cancel context.CancelFunc

	disposition chan disposition // has capacity for one
	decided     atomic.Bool      // set by the run when it has a disposition, or by await when the response is due; the first wins
}

// start begins the run of a claimed delivery. The callback's context ends with ctx, or at the callback's deadline.
func (p *processing) start(ctx context.Context, lease *idempotency.Lease) *run {
	// The callback gets a copy, because it may change its fields while the response is written.
	given := *p.delivery
	r := &run{processing: p, lease: lease, given: &given, disposition: make(chan disposition, 1)}
	ends := p.arrived.Add(p.h.options.CallbackTimeout)
	if p.redelivered {
		ends = lease.Until().Add(-leaseMargin) // the claim may have waited for a duplicate to end
	}
	r.ctx, r.cancel = context.WithDeadline(lease.Context(ctx), ends)
	decoded := false
	defer func() {
		if !decoded { // the decoder ended this goroutine, so there is no sender to respond to
			r.decided.Store(true)
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

// decode makes the typed event. It runs before the callback's goroutine starts, because the stack of a new goroutine is
// small. The run returns a decoding error instead of calling the callback.
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

// execute runs the callback and settles its result, also if the callback panics or ends its goroutine.
func (r *run) execute() {
	returned := false
	var v disposition
	defer func() {
		if !returned {
			v = dispositionOf(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
		r.finish(v)
	}()
	v = dispositionOf(r.callback()) // before returned is set, because methods of the callback's error may panic
	returned = true
}

// finish settles the callback's result. It passes the disposition to await, or reports it if the response was sent.
func (r *run) finish(v disposition) {
	if v.outcome == Handled && r.h.guard.Immediate() && r.decided.CompareAndSwap(false, true) {
		// The waiting goroutine settles, because its stack has grown already. Settling does not block.
		r.disposition <- v
		return
	}
	defer r.end()
	v = r.settle(v)
	if r.decided.CompareAndSwap(false, true) {
		v.settled = true
		r.disposition <- v
	} else {
		<-r.responded
		r.report(v, true)
	}
}

// received settles a disposition that finish left unsettled.
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

// await returns the run's disposition, or InFlight if the response is due first.
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
	p.responded = make(chan struct{}) // before the run can see that await has returned
	if !r.decided.CompareAndSwap(false, true) {
		return r.received(<-r.disposition)
	}
	v := disposition{outcome: InFlight, reason: ReasonOverrun, err: errors.New("webhook: the callback was still running when the response was due")}
	if last, counted := p.lastAttempt(); p.h.profile.DisablesEndpoint && (counted || last && p.h.options.DeadLetter != nil) {
		// The vendor does not send the delivery again in any case. A failure status would also disable the endpoint.
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

// An unhandledError reports that Before has run and the type has no callback.
type unhandledError struct{}

func (unhandledError) Error() string { return "unhandled" }

// An undecodableError reports a body that does not fit the type of its callback.
type undecodableError struct{ err error }

func (e *undecodableError) Error() string { return e.err.Error() }
