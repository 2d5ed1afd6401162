package webhook

import (
	"context"
	"fmt"
	"time"
)

// Redeliver claims a stored delivery and runs its callback, like a new delivery. It returns once the callback has returned,
// because no sender waits. The callback's context ends with ctx. If a duplicate is running, Redeliver waits for it at most
// [Options.ResponseTimeout].
//
// Redeliver does not call [Options.DeadLetter]: the caller still has the delivery. The outcome [DeadLettered] means that
// another attempt cannot succeed. [Unhandled] means that there is no callback for its type. After [Handler.Shutdown] the
// outcome is [Unavailable], with [ReasonShuttingDown].
func (h *Handler) Redeliver(ctx context.Context, d *Delivery) Result {
	h.seal()
	given := *d
	now := time.Now()
	stored := &received{
		arrival:  arrival{ctx: ctx, detached: context.WithoutCancel(ctx), at: now, respondBy: now.Add(h.options.ResponseTimeout), redelivered: true},
		Delivery: &given,
	}
	if !h.drain.enter() {
		return h.respond(&stored.arrival, stored, disposition{outcome: Unavailable, reason: ReasonShuttingDown, err: ErrShutdown})
	}
	defer h.drain.leave()
	return h.respond(&stored.arrival, stored, h.redeliver(stored))
}

func (h *Handler) redeliver(d *received) disposition {
	if d.Vendor != h.profile.Name || d.Endpoint != h.config.Endpoint || len(d.Keys) == 0 {
		return disposition{outcome: Failed, err: fmt.Errorf("webhook: Redeliver: a delivery of %s/%s must not be given to the handler of %s/%s",
			d.Vendor, d.Endpoint, h.profile.Name, h.config.Endpoint)}
	}
	var err error
	if d.envelope, err = h.envelope.Read(d.Body); err != nil {
		return disposition{outcome: Rejected, reason: ReasonNoObject, err: fmt.Errorf("webhook: the body of the stored delivery is not valid: %w", err)}
	}
	v := h.handle(d)
	if v.outcome == Failed && h.drain.isCanceled() {
		v.outcome, v.reason = Unavailable, ReasonShuttingDown // the cancellation may be the only cause of the failure
	}
	return v
}
