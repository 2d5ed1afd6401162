package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

// settle completes or releases the delivery's keys, as the disposition requires. The callback's goroutine calls it.
func (r *run) settle(v disposition) disposition {
	switch v.outcome {
	case Handled, Ignored:
		return r.complete(v)
	case Unhandled:
		return r.release(r.h.unhandled(r.Type))
	case Dropped:
		return r.deadLetter(v)
	default:
		r.countFirst()
		if last, _ := r.lastAttempt(); last || v.reason == ReasonUndecodable {
			return r.deadLetter(v)
		}
		return r.release(v)
	}
}

// deadLetter dead-letters a delivery that is not tried again. Without Options.DeadLetter, it drops the delivery if the
// callback returned Permanent or if a failure would disable the endpoint, and releases the keys otherwise. For a redelivered
// delivery, the caller of Redeliver keeps the dead letter.
func (r *run) deadLetter(v disposition) disposition {
	if r.redelivered {
		if v.outcome == Dropped || v.reason == ReasonUndecodable {
			v.outcome = DeadLettered
		}
		return r.release(v) // the vendor's attempts no longer count
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
	ctx := r.lease.Context(r.detached)
	err := deadline.Call(ctx, time.Until(r.lease.Until()), func(ctx context.Context) error {
		d := *r.Delivery
		return r.h.options.DeadLetter(ctx, &d, cause)
	})
	if err != nil {
		return fmt.Errorf("webhook: Options.DeadLetter: %w", err)
	}
	return nil
}

// complete completes the keys. If that fails, the response is the same: a 503 would make the callback run twice.
func (r *run) complete(v disposition) disposition {
	err := r.lease.Complete(r.detached)
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

// release releases the keys. If that fails, the guard tries again until the lease ends.
func (r *run) release(v disposition) disposition {
	if err := r.lease.Release(r.detached); err != nil {
		v.err = errors.Join(v.err, err)
	}
	return v
}
