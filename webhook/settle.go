package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

// settle completes or releases the delivery's keys, by what the callback's error was judged to mean.
func (r *run) settle(v disposition) disposition {
	switch v.outcome {
	case Handled, Ignored:
		return r.complete(v)
	case Unhandled:
		return r.release(r.h.unhandled(r.delivery.Type))
	case Dropped:
		return r.deadLetter(v)
	default:
		r.countEarlier(r.lease)
		if last, _ := r.lastAttempt(); last || v.reason == ReasonUndecodable {
			return r.deadLetter(v)
		}
		return r.release(v)
	}
}

// dispositionOf reads a callback's error. A status or a code that it happens to carry means nothing here.
func dispositionOf(err error) disposition {
	var said directive
	var v disposition
	if err != nil {
		_ = err.Error() // if it panics, as on a nil pointer, then here
	}
	switch e := err.(type) { //nolint:errorlint // these are made by us and never wrapped
	case nil:
		return disposition{outcome: Handled}
	case unhandledError:
		return disposition{outcome: Unhandled}
	case *PanicError:
		v.outcome, v.reason = Failed, ReasonPanic
	case *undecodableError:
		v.outcome, v.reason = Failed, ReasonUndecodable
		err = e.err
	default:
		v.outcome = Failed
		if errors.As(err, &said) {
			v = said.disposition()
		}
	}
	v.err = err
	return v
}

// deadLetter is for what will not get better: it parks the delivery if there is a place, and otherwise does the least
// harm. Redelivered ones are parked by whoever redelivered them.
func (r *run) deadLetter(v disposition) disposition {
	if r.redelivered {
		if v.outcome == Dropped || v.reason == ReasonUndecodable {
			v.outcome = DeadLettered
		}
		return r.release(v) // the vendor's attempts mean nothing any more
	}
	reason := v.reason
	if reason != ReasonPermanent && reason != ReasonUndecodable {
		reason = ReasonLastAttempt
	}
	if r.h.options.DeadLetter != nil {
		if err := r.callDeadLetter(v.err); err != nil {
			return r.release(disposition{outcome: Failed, reason: ReasonDeadLetterFailed, err: errors.Join(v.err, err)})
		}
		v.outcome, v.reason = DeadLettered, reason
		return r.complete(v)
	}
	_, counted := r.lastAttempt()
	switch {
	case v.outcome == Dropped:
		return r.complete(v)
	case counted && r.h.profile.DisablesEndpoint:
		v.outcome, v.reason = Dropped, reason
		return r.complete(v)
	default:
		if v.reason == ReasonNone {
			v.reason = reason
		}
		return r.release(v)
	}
}

// callDeadLetter calls Options.DeadLetter, with a context that carries the claim and ends with the lease.
func (r *run) callDeadLetter(cause error) error {
	ctx := r.lease.Context(context.WithoutCancel(r.processing.ctx))
	err := deadline.Call(ctx, time.Until(r.lease.Until()), func(ctx context.Context) error {
		d := *r.delivery
		return r.h.options.DeadLetter(ctx, &d, cause)
	})
	if err != nil {
		return fmt.Errorf("webhook: Options.DeadLetter: %w", err)
	}
	return nil
}

// complete completes the keys. A failure to do so changes nothing for the sender: a 503 would run the callback twice.
func (r *run) complete(v disposition) disposition {
	err := r.lease.Complete(context.WithoutCancel(r.processing.ctx))
	if err == nil {
		return v
	}
	v.err = errors.Join(v.err, err)
	if v.outcome == Handled || v.outcome == Ignored {
		v.reason = ReasonStore
		if errors.Is(err, idempotency.ErrLeaseLost) {
			v.reason = ReasonLeaseLost
		}
	}
	return v
}

// release gives the keys back. If that fails the lease will end by itself; meanwhile the release is tried again.
func (r *run) release(v disposition) disposition {
	if err := r.lease.Release(context.WithoutCancel(r.processing.ctx)); err != nil {
		v.err = errors.Join(v.err, err)
	}
	return v
}
