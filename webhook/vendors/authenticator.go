package vendors

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A Request is what an [Authenticator] sees of a request, next to its body.
type Request struct {
	// Method is the HTTP method; empty means POST.
	Method string

	// URL is nil if there is none to read.
	URL *url.URL

	// Header holds the headers under their canonical names.
	Header http.Header

	// ContentLength is the declared length of the body in bytes; zero or less if it is not known.
	ContentLength int64
}

// An Authenticator decides, from the bytes as they were received, whether a delivery is the vendor's. It compares in
// constant time and parses nothing. Its errors are for the log and name no secret.
//
// An error refuses the delivery with a 401, which some vendors never send again. If the Authenticator could not decide,
// because the database that holds a tenant's key is down, its error must match [ErrUnavailable]: the response is a 503.
//
// The context has the values of the request's. It ends after webhook.Options.StoreTimeout, or when the response is due or the
// sender disconnects; Authenticate must return then, and an error that matches the context's is taken for ErrUnavailable.
// r and body must not be used after the return.
type Authenticator interface {
	Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error)
}

// ErrUnavailable is matched by the error of an [Authenticator] that could not decide.
var ErrUnavailable = errors.New("webhook: authentication is unavailable")

// An Explainer is an [Authenticator] that can say why it refuses. It is asked only when the sentence will be written into
// a log, or by Handler.Explain; it costs some milliseconds at most, says nothing that has not been proven, and names no
// secret, no value of a header and nothing of the body.
type Explainer interface {
	Explain(r *Request, body []byte) diagnose.Explanation
}

// AuthenticatorFunc is a function that is an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, r *Request, body []byte) (signature.Match, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error) {
	return f(ctx, r, body)
}
