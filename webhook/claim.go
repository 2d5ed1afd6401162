package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// claim claims the delivery's keys. While the same delivery runs in this process, it waits until the response is due.
func (h *Handler) claim(d *received) (*idempotency.Lease, disposition) {
	o := &h.options
	request := idempotency.ClaimRequest{
		Keys:      d.Keys,
		Lease:     time.Until(d.at.Add(o.leaseTime())),
		WaitUntil: d.respondBy,
		FailOpen:  o.DangerouslyFailOpen,
		Tag:       contentTag(d.Body),
	}
	if request.Lease > longestLease {
		request.Lease, request.RenewUntil = longestLease, d.at.Add(o.leaseTime())
		if d.redelivered { // its callback's time counts from the claim
			request.RenewUntil = d.respondBy.Add(o.leaseTime())
		}
	}
	if len(request.Keys) > 1 && !d.sentAt.IsZero() {
		// Until then, a replay of these bytes with another id would be fresh.
		request.RefusedLease = time.Until(d.sentAt.Add(h.window.Past)) + time.Second
	}
	lease, claim, err := h.guard.Acquire(d.callbackContext(), request)
	switch {
	case errors.Is(err, idempotency.ErrFull):
		return nil, disposition{outcome: Unavailable, reason: ReasonStoreFull, err: err}
	case err != nil:
		return nil, disposition{outcome: Unavailable, reason: ReasonStore, err: err}
	case claim.State == idempotency.Completed && claim.OtherTag:
		return nil, disposition{outcome: Duplicate, reason: ReasonOtherContent, err: ErrOtherContent}
	case claim.State == idempotency.Completed:
		return nil, disposition{outcome: Duplicate}
	case claim.State == idempotency.InFlight:
		return nil, disposition{outcome: InFlight, after: claim.Remaining}
	default:
		d.Attempt = lease.Attempt()
		return lease, disposition{}
	}
}

// callbackContext returns a context that the sender's disconnect does not end. The caller of Redeliver can end it.
func (a *arrival) callbackContext() context.Context {
	if a.redelivered {
		return a.ctx
	}
	return a.detached
}
