package vendors

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A Request is the part of an HTTP request that an [Authenticator] gets, in addition to the body.
type Request struct {
	// Method is the HTTP method; empty means POST.
	Method string

	// URL may be nil.
	URL *url.URL

	// Header holds the headers under their canonical names.
	Header http.Header

	// ContentLength is the declared length of the body in bytes. Zero or less means unknown.
	ContentLength int64

	// ArrivedAt is when the request arrived. Zero means now.
	ArrivedAt time.Time

	// Received is the request as an HTTP server received it. Nil if it did not come from one. Use HTTP to read it.
	Received *http.Request
}

// HTTP returns the request as an HTTP server received it, with the values of its path. If it came from elsewhere, HTTP makes
// one. The caller must not read its body.
func (r *Request) HTTP() *http.Request {
	if r.Received != nil {
		return r.Received
	}
	request := &http.Request{Method: r.Method, URL: r.URL, Header: r.Header, ContentLength: r.ContentLength, Body: http.NoBody}
	if request.URL == nil {
		request.URL = new(url.URL)
	}
	return request
}

// An Authenticator decides from the received bytes whether a delivery is the vendor's. It must compare secrets in constant
// time, and must not parse the body. Its errors are for the log and must not contain a secret.
//
// After an error the response is 401, and some vendors never send such a delivery again. If the Authenticator cannot decide,
// for example because a database of keys is down, its error must match [ErrUnavailable]. The response is then 503.
//
// The context has the values of the request's context. It ends after webhook.Options.StoreTimeout, when the response is due,
// or when the sender disconnects. Authenticate must then return, and an error that matches the context's error counts as
// ErrUnavailable. Authenticate must not use r and body after it returns.
type Authenticator interface {
	Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error)
}

// ErrUnavailable must be wrapped by the error of an [Authenticator] that could not decide.
var ErrUnavailable = errors.New("webhook: authentication is unavailable")

// An Explainer is an [Authenticator] that can explain why it refuses a delivery. The handler calls Explain only if it logs
// the explanation, and for Handler.Explain. Explain should take a few milliseconds at most. It must state only proven facts.
// It must not quote a secret, a header's value or any part of the body.
type Explainer interface {
	Explain(r *Request, body []byte) diagnose.Explanation
}

// AuthenticatorFunc makes a function an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, r *Request, body []byte) (signature.Match, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error) {
	return f(ctx, r, body)
}
