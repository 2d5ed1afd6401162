package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// A Profile is all that the handler knows of a vendor. It is data: a new vendor is a new profile, in a package of its
// own.
type Profile struct {
	// Name is the vendor's name in keys, logs and observations: lower-case letters.
	Name string

	// Scheme is how the vendor signs; nil if it does not.
	Scheme *signature.Scheme

	// Envelope names the members of the body that say what it is.
	Envelope EnvelopeNames

	// Identify names the delivery. It sees authentic deliveries only.
	Identify func(a *Arrival) Identity

	// TimeHeader is the header that carries the time of sending; if empty, the time in the body is the one that
	// counts for the window.
	TimeHeader string

	// Headers are the other headers that a [Delivery] keeps. Never one that carries a signature or a credential.
	Headers []string

	// Window is how old a delivery may be; zero if the vendor sends no time that could be checked.
	Window time.Duration

	// AnswerWithin is how long the vendor waits for an answer.
	AnswerWithin time.Duration

	// Horizon is how long after the first attempt the vendor may send the delivery again.
	Horizon time.Duration

	// Attempts is the earliest attempt that can be the vendor's last; zero if attempts do not end.
	Attempts int

	// ShortestPause is the shortest time between two of the vendor's attempts. A failure that comes sooner than half of
	// it after the one that was counted before is not counted: a proxy has sent a copy, or a person has. Zero: every
	// failure counts.
	ShortestPause time.Duration

	// LastAge is the age of the signed time past which an attempt is the last, whatever we have counted. A delivery that
	// is named by its content has the same signed time on every attempt; if it is younger, the attempt is not the last.
	// Zero if the age says nothing.
	LastAge time.Duration

	// DisablesEndpoint says that the vendor stops sending to the endpoint once a delivery has failed for good.
	DisablesEndpoint bool

	// Events are the types that the vendor documents.
	Events []EventType
}

// EnvelopeNames are the names of the top-level members that tell what a body is. Where a list has several, the first
// usable value counts: a null, an empty or blank string, and a value of another kind do not hide the names after it.
type EnvelopeNames struct {
	// Type holds the event's type. The first value that is a documented type counts, then the first that is a string or
	// a number.
	Type []string

	// ID holds the event's id: a string or a number.
	ID []string

	// Time holds the event's time: a date or a Unix time.
	Time []string

	// Data holds the event's own fields: an object. Where the list is empty, or no such member is there, they are at the
	// top.
	Data []string
}

// An Endpoint is what belongs to one handler and to no other. Vendors make it of their Config.
type Endpoint struct {
	// Name tells the endpoints of one vendor on one store apart. Defaults to "default".
	Name string

	// Authenticator decides whether a delivery is the vendor's.
	Authenticator Authenticator

	// Window replaces the profile's, if it has one. Zero keeps it.
	Window time.Duration

	// Attempts replaces the profile's Attempts, and switches its LastAge off. Zero keeps both.
	Attempts int

	// Key, if set, names a delivery by its decoded event, in place of the profile's keys; an empty name keeps those.
	// It is called with a pointer to the event's type, and only for types that have a callback. The type is always part of
	// the key. With a Key every field must fit, as with [Options.StrictFields].
	Key func(event any) string
}

// An Authenticator decides, from the bytes as they were received, whether a delivery is the vendor's. It compares in
// constant time and parses nothing. Its errors are for the log and name no secret.
//
// An error refuses the delivery with a 401, which some vendors never send again. If the Authenticator could not decide,
// because the database that holds a tenant's key is down, its error must match [ErrUnavailable]: the response is a 503.
//
// The context has the values of the request's. It ends after Options.StoreTimeout, or when the response is due or the
// sender disconnects; Authenticate must return then, and an error that matches the context's is taken for ErrUnavailable.
// r and body must not be used after the return.
type Authenticator interface {
	Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error)
}

// ErrUnavailable is matched by the error of an [Authenticator] that could not decide.
var ErrUnavailable = errors.New("webhook: authentication is unavailable")

// An Explainer is an [Authenticator] that can say why it refuses. It is asked only when the sentence will be written into
// a log, or by [Handler.Explain]; it costs some milliseconds at most, says nothing that has not been proven, and names no
// secret, no value of a header and nothing of the body.
type Explainer interface {
	Explain(r *Request, body []byte) signature.Explanation
}

// AuthenticatorFunc is a function that is an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, r *Request, body []byte) (signature.Match, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error) {
	return f(ctx, r, body)
}
