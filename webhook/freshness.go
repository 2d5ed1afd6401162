package webhook

import (
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// checkFreshness checks the time against the window. A type that the vendor does not document is unhandled, not refused, if
// its time is old or missing: the vendor's test event may have such a time.
func (h *Handler) checkFreshness(d *received) disposition {
	if h.profile.Window == 0 {
		return disposition{}
	}
	if d.sentAt.IsZero() {
		switch {
		case !h.documents(d.Type):
			return disposition{outcome: Unhandled, reason: ReasonNoTime}
		case !h.Handles(d.Type):
			return disposition{}
		}
		return disposition{outcome: Rejected, reason: ReasonNoTime, err: d.envelope.NoTime(&h.profile)}
	}
	window, sentAt := h.window, d.sentAt
	err := window.Check(sentAt, d.at)
	if err == nil && d.unsigned {
		window, sentAt = h.rememberedWindow(d)
		err = window.Check(sentAt, d.at)
	}
	if err == nil {
		return disposition{}
	}
	v := disposition{outcome: Rejected, reason: ReasonStale, err: err}
	v.explain = func() diagnose.Explanation { return diagnose.ExplainTime(window, sentAt, d.at) }
	switch {
	case errors.Is(err, signature.Future):
		v.reason, v.after = ReasonFuture, sentAt.Sub(d.at.Add(window.Future))
	case !h.documents(d.Type):
		v.outcome, v.err = Unhandled, nil
	}
	return v
}

// needsTime reports whether the delivery has no time for the freshness check, although it needs one.
func (h *Handler) needsTime(d *received) bool {
	return h.profile.Window > 0 && d.sentAt.IsZero() && !d.redelivered
}

// rememberedWindow returns the time in the body, and the window for it, for a delivery whose signature does not cover the
// time of sending. Anyone who has captured it can send it again with a fresh time. So it must not be older than what the
// store remembers. A shorter time than the profile's Window would refuse genuine deliveries after a restart. If the body has
// no time, the delivery passes.
func (h *Handler) rememberedWindow(d *received) (signature.Window, time.Time) {
	remembered := h.store.Retention() - h.window.Future // the sender's clock may have been ahead when the store recorded it
	forgetful, forgets := h.store.(interface{ Since() time.Time })
	if forgets {
		remembered = min(remembered, d.at.Sub(forgetful.Since()))
	}
	if d.envelope.Time.IsZero() {
		if forgets {
			h.unsignedNoticed.Do(func() {
				h.notice(d.ctx, "webhook: the signature covers no time, and the store forgets its keys on a restart; "+
					"anyone who has captured a delivery can then run it again; set Options.Store to a durable store", "form", d.Form)
			})
		}
		return h.window, d.sentAt
	}
	return signature.Window{Past: max(remembered, h.window.Past), Future: h.window.Future}, d.envelope.Time
}
