package webhook

import (
	"errors"
	"fmt"
	"net/http"
)

// checkBounds checks everything that needs neither the body nor a secret.
func (h *Handler) checkBounds(r *Request) disposition {
	v := disposition{outcome: Rejected, unread: true}
	encoding := coding(r.Header["Content-Encoding"])
	switch {
	case h.options.RespondToGET && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return disposition{outcome: Ignored, reason: ReasonEndpointCheck, unread: r.ContentLength != 0}
	case r.Method != http.MethodPost && r.Method != "":
		v.reason, v.err = ReasonMethod, errors.New("webhook: the method is not POST")
	case encoding != "":
		v.reason, v.err = ReasonContentEncoding, &encodedError{encoding}
	case r.ContentLength > h.options.MaxBody:
		v.reason = ReasonTooLarge
		v.err = fmt.Errorf("%w: the request declares %d bytes, and Options.MaxBody is %d", errTooLarge, r.ContentLength, h.options.MaxBody)
	default:
		return disposition{}
	}
	return v
}
