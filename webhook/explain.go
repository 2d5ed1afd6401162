package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// Explain returns, in one sentence for people, what the handler would do with r, and why. It checks the signature or
// credential, the time, and how the request is passed on. It reads the body of r. It claims, stores, runs, logs and
// observes nothing. The time now is when the delivery arrived; the zero time means time.Now().
//
// Use it in tests, and in tools for captured deliveries. The log line of a refused delivery has the same sentence.
// Neither must go to the sender. The cause is a [diagnose.Cause], a cause of the vendor's package if the vendor does not
// sign, or the [Reason] of the outcome.
func (h *Handler) Explain(r Request, now time.Time) diagnose.Explanation {
	if now.IsZero() {
		now = time.Now()
	}
	r.Header, r.connection = canonical(r.Header), nil
	var body buffer
	defer body.free()
	a := arrival{ctx: context.Background(), at: now, respondBy: time.Now().Add(h.options.ResponseTimeout)}
	d, v := h.accept(&a, &r, &body, nil)
	if !v.final() {
		v = h.checkFreshness(d)
	}
	if e := explanation(v.explain, v.err); e.Text != "" {
		return e
	}
	if !v.final() && h.options.Inbox == nil && !h.Handles(d.Type) {
		v = h.unhandled(d.Type)
	}
	switch {
	case v.outcome == Rejected && v.reason == ReasonNoTime:
		return diagnose.Explanation{Cause: diagnose.Cause(v.reason), Text: strings.TrimPrefix(v.err.Error(), "webhook: ")}
	case v.reason == ReasonNoObject:
		return diagnose.Explanation{Cause: diagnose.Cause(v.reason), Text: "the signature or credential is right, but the body is not a JSON object"}
	case v.reason == ReasonEndpointCheck:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it, but it is not a delivery: the handler responds to HEAD and GET with Options.RespondToGET"}
	case v.outcome == Unhandled:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it, but no callback is registered for its type, or the vendor documents no such type"}
	case v.final():
		return diagnose.Explanation{Cause: diagnose.Cause(v.reason), Text: v.err.Error()}
	default:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it: it is authentic and, where the vendor sends a time, fresh"}
	}
}

// explanation returns an explanation if it adds something to the error of the outcome. Otherwise the text is empty.
func explanation(explain func() diagnose.Explanation, err error) diagnose.Explanation {
	defer func() { _ = recover() }() // the log line or the response matters more
	var encoded *encodedError
	switch {
	case explain != nil:
		return explain()
	case errors.As(err, &encoded):
		return diagnose.Explanation{Cause: diagnose.Cause(ReasonContentEncoding), Text: encoded.explanation()}
	case errors.Is(err, errNoByte):
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "the request declared a body, but it was already read: something read it before the handler, so pass the body unread"}
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "something closed the body before the handler could read it: pass the body unread"}
	}
	return diagnose.Explanation{}
}
