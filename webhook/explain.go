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

// Explain says what would become of r before anything is claimed, and why, in one sentence for people: what is wrong with
// its signature or credential, with its time, or with the way in which it is passed on. Nothing is claimed, stored or
// run, no callback is called and nothing is logged or observed; the body of r is read. It is judged by now, which for a
// captured delivery is when it arrived; a zero now is time.Now().
//
// It answers in tests and in tools that are given a captured delivery. The line that is logged for a refused delivery
// has the same sentence. Neither is for the sender. The causes are those of [diagnose.Cause], those of the vendor's
// package, if it signs in no such way, and the [Reason] of the outcome, where that says it all.
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
		return diagnose.Explanation{Cause: diagnose.Cause(v.reason), Text: "the signature or credential is right, but the body is no JSON object"}
	case v.reason == ReasonEndpointCheck:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it, but it is no delivery: HEAD and GET are responded to by Options.RespondToGET"}
	case v.outcome == Unhandled:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it, but no callback is registered for its type, or the vendor documents no such type"}
	case v.final():
		return diagnose.Explanation{Cause: diagnose.Cause(v.reason), Text: v.err.Error()}
	default:
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with it: it is authentic and, where the vendor sends a time, fresh"}
	}
}

// check takes the request as far as it can go without being claimed.
func (p *processing) check(r *Request) disposition {
	h := p.h
	if v := h.checkBounds(r); v.final() {
		return v
	}
	buf, err := r.readBody(nil, h.options.MaxBody, h.options.BodyTimeout)
	if err != nil {
		return unreadable(err)
	}
	match, err := p.verify(r, buf.b) // the buffer is not given back: what explains may still need it
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

// refused is what was not authentic. Its buffer is kept until it has been reported.
type refused struct {
	r   *Request
	buf *buffer
}

// explain says why the delivery was refused, where more can be said than its error says; otherwise the text is empty.
func (p *processing) explain(o *Observation) (e diagnose.Explanation) {
	defer func() {
		if recover() != nil {
			e = diagnose.Explanation{} // the line, or the answer, matters more
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
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "the request declared a body, and not one byte of it was left to read: something read it before the handler, so give the handler the body unread"}
	case errors.Is(o.Err, http.ErrBodyReadAfterClose):
		return diagnose.Explanation{Cause: diagnose.BodyEmpty, Text: "something closed the body before the handler could read it: give the handler the body unread"}
	}
	return e
}
