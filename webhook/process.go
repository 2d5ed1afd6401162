package webhook

import (
	"context"
	"time"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// An arrival is when a delivery came, with a request or from an inbox, and until when it needs a response.
type arrival struct {
	ctx         context.Context
	detached    context.Context // has the values of ctx, and does not end
	at          time.Time
	respondBy   time.Time
	redelivered bool // from an inbox, by Redeliver
}

// A received is an authentic delivery, with what the later steps need of its arrival and its body.
type received struct {
	arrival
	*Delivery
	envelope vendors.Envelope
	sentAt   time.Time // checked against the window; zero if unknown
	unsigned bool      // the signature does not cover sentAt
	event    decoding  // decoded early for Config.Key only
}

// process takes a request through all steps. Each is in the file of its name.
func (h *Handler) process(ctx context.Context, r *Request) Result {
	h.seal()
	a := h.arrive(ctx, r)
	if h.options.Inbox == nil {
		if !h.drain.enter() {
			return h.respond(&a, nil, disposition{outcome: Unavailable, reason: ReasonShuttingDown, err: ErrShutdown, unread: true})
		}
		defer h.drain.leave() // after the report
	}
	var body buffer
	defer body.free() // after the report, because it may explain a refusal
	d, v := h.accept(&a, r, &body, h.options.ReadBudget)
	if !v.final() {
		v = h.applyKey(d)
	}
	if !v.final() {
		v = h.checkFreshness(d)
	}
	if !v.final() {
		v = h.dispatch(d)
	}
	return h.respond(&a, d, v)
}

// accept runs the steps that only look at the request. Then the delivery is authentic and identified.
func (h *Handler) accept(a *arrival, r *Request, body *buffer, budget *ReadBudget) (*received, disposition) {
	if v := h.checkBounds(r); v.final() {
		return nil, v
	}
	if v := h.readBody(a, r, body, budget); v.final() {
		return nil, v
	}
	match, v := h.authenticate(a, r, body.b)
	if v.final() {
		return nil, v
	}
	return h.identify(a, &vendors.Authenticated{Header: r.Header, Body: body.take(), Match: match})
}

// dispatch stores the delivery in the inbox, or handles it.
func (h *Handler) dispatch(d *received) disposition {
	switch {
	case h.rate != nil && !h.rate.allow(d.mainKey()):
		return disposition{outcome: Unavailable, reason: ReasonRate, err: errRate}
	case h.options.Inbox != nil:
		return h.enqueue(d)
	default:
		return h.handle(d)
	}
}

// handle claims the delivery and runs its callback. It returns the result, or InFlight once the response is due.
func (h *Handler) handle(d *received) disposition {
	if !h.Handles(d.Type) && (h.onAny == nil || h.needsTime(d)) {
		return h.unhandled(d.Type)
	}
	if h.running.Add(1) > int64(h.options.MaxRunning) {
		h.running.Add(-1)
		return disposition{outcome: Unavailable, reason: ReasonRunning, err: errRunning}
	}
	handedOver := false
	defer func() {
		if !handedOver {
			h.running.Add(-1)
		}
	}()
	lease, v := h.claim(d)
	if v.final() {
		return v
	}
	handedOver = true // from here on the run frees the slot
	return h.start(d, lease).await()
}

// unhandled is the disposition of a delivery without a callback.
func (h *Handler) unhandled(eventType string) disposition {
	if h.knownTypes[eventType] {
		return disposition{outcome: Unhandled, reason: ReasonNoCallback}
	}
	return disposition{outcome: Unhandled, reason: ReasonUnknownType}
}
