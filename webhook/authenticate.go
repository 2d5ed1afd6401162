package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// authenticate calls the Authenticator with the raw body.
func (h *Handler) authenticate(a *arrival, r *Request, body []byte) (signature.Match, disposition) {
	match, err := h.verify(a, r, body)
	if err == nil {
		return match, disposition{}
	}
	v := refusal(err)
	v.bytes = len(body)
	if x, ok := h.config.Authenticator.(vendors.Explainer); ok && v.outcome == Unauthenticated {
		arrived := a.at // so that the closure does not keep the arrival
		v.explain = func() diagnose.Explanation { return x.Explain(r.shown(arrived), body) }
	}
	return match, v
}

// verify returns a panic of the Authenticator as an error. An Authenticator that may wait gets a deadline.
func (h *Handler) verify(a *arrival, r *Request, body []byte) (match signature.Match, err error) {
	defer caught(&err)
	authenticator, ctx := h.config.Authenticator, a.ctx
	if _, computes := authenticator.(*signed); !computes {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(h.options.StoreTimeout, time.Until(a.respondBy)))
		defer cancel()
	}
	return authenticator.Authenticate(ctx, r.shown(a.at), body)
}

// refusal maps an Authenticator's error to a disposition.
func refusal(err error) disposition {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return disposition{outcome: Failed, reason: ReasonPanic, err: err}
	case errors.Is(err, vendors.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return disposition{outcome: Unavailable, reason: ReasonAuthenticator, err: fmt.Errorf("webhook: the Authenticator: %w", err)}
	}
	v := disposition{outcome: Unauthenticated, reason: ReasonCredential, err: err}
	var reason signature.Reason
	if errors.As(err, &reason) {
		v.reason = Reason(reason)
	}
	return v
}
