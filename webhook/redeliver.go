package webhook

import (
	"context"
	"fmt"
	"time"
)

// Redeliver calls back for a delivery that was stored earlier, on the same way as a new one from the claim on, and
// returns once the callback has: there is no sender whose patience would end. The callback's context ends with ctx.
// Only for a twin that runs it waits no longer than a sender would.
//
// Nothing is parked: whoever stored the delivery has it still. [DeadLettered] means that trying again cannot help.
// [Unhandled] means that there is no callback for its type. After [Handler.Shutdown] the outcome is
// [Unavailable], with [ReasonShuttingDown].
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
		return disposition{outcome: Failed, err: fmt.Errorf("webhook: a delivery of %s/%s was redelivered to the handler of %s/%s",
			d.Vendor, d.Endpoint, h.profile.Name, h.config.Endpoint)}
	}
	envelope, err := h.envelope.Read(d.Body)
	if err != nil {
		return disposition{outcome: Rejected, reason: ReasonNoObject, err: fmt.Errorf("webhook: a stored delivery is not to be read: %w", err)}
	}
	p.envelope = envelope
	v := p.handle()
	if v.outcome == Failed && h.drain.isCut() {
		v.outcome, v.reason = Unavailable, ReasonShuttingDown // it may have failed for that reason alone
	}
	return v
}
