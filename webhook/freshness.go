package webhook

import (
	"errors"

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
	err := h.window.Check(d.sentAt, d.at)
	if err == nil {
		return disposition{}
	}
	v := disposition{outcome: Rejected, reason: ReasonStale, err: err}
	v.explain = func() diagnose.Explanation { return diagnose.ExplainTime(h.window, d.sentAt, d.at) }
	switch {
	case errors.Is(err, signature.Future):
		v.reason, v.after = ReasonFuture, d.sentAt.Sub(d.at.Add(h.window.Future))
	case !h.documents(d.Type):
		v.outcome, v.err = Unhandled, nil
	}
	return v
}

// needsTime reports whether the delivery has no time for the freshness check, although it needs one.
func (h *Handler) needsTime(d *received) bool {
	return h.profile.Window > 0 && d.sentAt.IsZero() && !d.redelivered
}
