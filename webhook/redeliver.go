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
	p := &processing{h: h, ctx: ctx, arrived: time.Now(), bytes: len(d.Body), delivery: &given, redelivered: true}
	p.respondBy = p.arrived.Add(h.options.ResponseTimeout)
	if !h.drain.enter() {
		return p.respond(disposition{outcome: Unavailable, reason: ReasonShuttingDown, err: errShutdown})
	}
	defer h.drain.leave()
	return p.respond(p.redeliver())
}

func (p *processing) redeliver() disposition {
	h, d := p.h, p.delivery
	if d.Vendor != h.profile.Name || d.Endpoint != h.config.Endpoint || len(d.Keys) == 0 {
		return disposition{outcome: Failed, err: fmt.Errorf("webhook: Redeliver: a delivery of %s/%s must not be given to the handler of %s/%s",
			d.Vendor, d.Endpoint, h.profile.Name, h.config.Endpoint)}
	}
	envelope, err := h.envelope.Read(d.Body)
	if err != nil {
		return disposition{outcome: Rejected, reason: ReasonNoObject, err: fmt.Errorf("webhook: the body of the stored delivery is not valid: %w", err)}
	}
	p.envelope = envelope
	v := p.handle()
	if v.outcome == Failed && h.drain.isCanceled() {
		v.outcome, v.reason = Unavailable, ReasonShuttingDown // the cancellation may be the only cause of the failure
	}
	return v
}
