package webhook

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
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
	r.Header, r.readDeadline = canonical(r.Header), nil
	p := &processing{h: h, ctx: context.Background(), arrived: now, respondBy: time.Now().Add(h.options.ResponseTimeout)}
	v := p.check(&r)
	if e := p.explain(&Observation{Outcome: v.outcome, Reason: v.reason, Err: v.err}); e.Text != "" {
		return e
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

// check processes the request up to the point where its keys would be claimed.
func (p *processing) check(r *Request) disposition {
	h := p.h
	if v := h.checkBounds(r); v.final() {
		return v
	}
	buf, err := r.readBody(nil, h.options.MaxBody, h.options.BodyTimeout)
	if err != nil {
		return unreadable(err)
	}
	match, err := p.verify(r, buf.b) // the buffer is not freed, because an explanation may need it
	if err != nil {
		p.refused = &refused{r, buf}
		return unauthenticated(err)
	}
	a := &vendors.Authenticated{Header: r.Header, Body: buf.b, Match: match}
	if a.Envelope, err = h.envelope.Read(a.Body); err != nil {
		return disposition{outcome: Rejected, reason: ReasonNoObject, err: err}
	}
	p.envelope = a.Envelope
	p.sentAt = p.signedTime(a)
	p.delivery = &Delivery{Type: a.Envelope.Type}
	if v := p.checkFreshness(); v.final() {
		return v
	}
	if !h.Handles(a.Envelope.Type) && h.options.Inbox == nil {
		return disposition{outcome: Unhandled}
	}
	return disposition{}
}

// refused is an unauthenticated request. Its buffer is kept until the refusal has been reported.
type refused struct {
	r   *Request
	buf *buffer
}

// explain returns an explanation if it adds something to the error of the outcome. Otherwise the text is empty.
func (p *processing) explain(o *Observation) (e diagnose.Explanation) {
	defer func() {
		if recover() != nil {
			e = diagnose.Explanation{} // the log line or the response matters more
		}
	}()
	var encoded *encodedError
	switch {
	case errors.As(o.Err, &encoded):
		return diagnose.Explanation{Cause: diagnose.Cause(ReasonContentEncoding), Text: encoded.explanation()}
	case o.Outcome == Unauthenticated && p.refused != nil:
		if x, ok := p.h.config.Authenticator.(vendors.Explainer); ok {
			return x.Explain(p.refused.r.shown(), p.refused.buf.b)
		}
	case o.Reason == ReasonStale, o.Reason == ReasonFuture:
		return diagnose.ExplainTime(p.h.window, p.sentAt, p.arrived)
	case errors.Is(o.Err, errNoByte):
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "the request declared a body, but it was already read: something read it before the handler, so pass the body unread"}
	case errors.Is(o.Err, http.ErrBodyReadAfterClose):
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "something closed the body before the handler could read it: pass the body unread"}
	}
	return e
}
