package webhook

import (
	"cmp"
	"net/http"
	"time"
)

// The bounds and the default of Retry-After.
const (
	minRetryAfter     = time.Second
	maxRetryAfter     = time.Hour
	defaultRetryAfter = 5 * time.Second
)

// respond reports the disposition and returns the response, by the contract.
func (h *Handler) respond(a *arrival, d *received, v disposition) Result {
	if v.running != nil {
		defer func() { go v.running.reportLate() }() // after the report, also if the Observer ends this goroutine
	}
	h.report(a, d, v, false)
	rule := ruleOf(v.outcome, v.reason)
	result := Result{
		Status:  rule.status,
		Body:    bodyRefused,
		Close:   v.unread,
		Outcome: v.outcome,
		Reason:  v.reason,
		Err:     v.err,
	}
	if d != nil {
		result.Delivery = d.Delivery
	}
	if v.running != nil {
		given := *d.Delivery // the run still uses the original
		result.Delivery = &given
	}
	if v.reason == ReasonMethod {
		result.allow = http.MethodPost
		if h.options.RespondToGET {
			result.allow = "GET, HEAD, POST"
		}
	}
	switch {
	case v.reason == ReasonEndpointCheck:
		result.Body = nil
	case v.outcome == Duplicate:
		result.Body = bodyDuplicate
	case rule.status == http.StatusOK:
		result.Body = bodyReceived
	}
	switch {
	case !rule.retryAfter:
	case a.redelivered: // there is no Retry-After header, so whole seconds and its bounds do not apply
		result.RetryAfter = cmp.Or(max(v.after, 0), defaultRetryAfter)
	default:
		result.RetryAfter = h.retryAfter(d, v.after)
	}
	return result
}

// retryAfter rounds after up to whole seconds, within its bounds and the delivery's window.
func (h *Handler) retryAfter(d *received, after time.Duration) time.Duration {
	if after <= 0 {
		after = defaultRetryAfter
	}
	after = min(after, maxRetryAfter)
	after = (after + time.Second - 1).Truncate(time.Second)
	if h.profile.Window > 0 && d != nil && !d.sentAt.IsZero() {
		after = min(after, time.Until(d.sentAt.Add(h.window.Past)).Truncate(time.Second))
	}
	return max(after, minRetryAfter)
}
