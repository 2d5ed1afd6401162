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
func (p *processing) respond(v disposition) Result {
	if p.responded != nil {
		defer close(p.responded)
	}
	p.report(v, false)
	rule := ruleOf(v.outcome, v.reason)
	result := Result{
		Status:   rule.status,
		Body:     bodyRefused,
		Close:    p.unread,
		Outcome:  v.outcome,
		Reason:   v.reason,
		Err:      v.err,
		Delivery: p.delivery,
	}
	if p.responded != nil {
		given := *p.delivery // the run still uses the original
		result.Delivery = &given
	}
	if v.reason == ReasonMethod {
		result.allow = http.MethodPost
		if p.h.options.RespondToGET {
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
	case p.redelivered: // there is no Retry-After header, so whole seconds and its bounds do not apply
		result.RetryAfter = cmp.Or(max(v.after, 0), defaultRetryAfter)
	default:
		result.RetryAfter = p.retryAfter(v.after)
	}
	return result
}

// retryAfter rounds d up to whole seconds, within its bounds and the delivery's window.
func (p *processing) retryAfter(d time.Duration) time.Duration {
	if d <= 0 {
		d = defaultRetryAfter
	}
	d = min(d, maxRetryAfter)
	d = (d + time.Second - 1).Truncate(time.Second)
	if p.h.profile.Window > 0 && !p.sentAt.IsZero() {
		d = min(d, time.Until(p.sentAt.Add(p.h.window.Past)).Truncate(time.Second))
	}
	return max(d, minRetryAfter)
}
