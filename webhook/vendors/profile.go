package vendors

import (
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

	// DedupKeys names the delivery, and the keys that its duplicates have as well. It is called for authentic deliveries
	// only.
	DedupKeys func(a *Authenticated) DedupKeys

	// TimeHeader is the header that carries the time of sending; if empty, the time in the body is the one that
	// counts for the window.
	TimeHeader string

	// Headers are the other headers that a webhook.Delivery keeps. Never one that carries a signature or a credential.
	Headers []string

	// Window is how old a delivery may be; zero if the vendor sends no time that could be checked.
	Window time.Duration

	// RespondWithin is how long the vendor waits for a response.
	RespondWithin time.Duration

	// RetryWindow is how long after the first attempt the vendor may send the delivery again.
	RetryWindow time.Duration

	// Attempts is the earliest attempt that can be the vendor's last; zero if attempts do not end.
	Attempts int

	// ShortestPause is the shortest time between two of the vendor's attempts. A failure that comes sooner than half of
	// it after the one that was counted before is not counted: a proxy has sent a copy, or a person has. Zero: every
	// failure counts.
	ShortestPause time.Duration

	// GiveUpAfter is the age of the signed time past which an attempt is the last, whatever we have counted. A delivery that
	// is named by its content has the same signed time on every attempt; if it is younger, the attempt is not the last.
	// Zero if the age says nothing.
	GiveUpAfter time.Duration

	// DisablesEndpoint says that the vendor stops sending to the endpoint once a delivery has failed for good.
	DisablesEndpoint bool

	// Events are the types that the vendor documents.
	Events []EventType
}

// A HandlerConfig is what belongs to one handler and to no other. A vendor's package makes it of its Config.
type HandlerConfig struct {
	// Endpoint tells the endpoints of one vendor on one store apart. Defaults to "default".
	Endpoint string

	// Keys are the live signing keys of a vendor that signs: the handler authenticates by the profile's Scheme.
	Keys []signature.Key

	// Authenticator decides whether a delivery is the vendor's, for a vendor that does not sign. Keys must be empty then.
	Authenticator Authenticator

	// Window replaces the profile's, if it has one. Zero keeps it.
	Window time.Duration

	// Attempts replaces the profile's Attempts, and switches its GiveUpAfter off. Zero keeps both.
	Attempts int

	// DedupKey, if set, names a delivery by its decoded event, in place of the profile's DedupKeys; an empty name keeps those.
	// It is called with a pointer to the event's type, and only for types that have a callback. The type is always part of
	// the key. With a DedupKey every field must fit, as with webhook.Options.StrictFields.
	DedupKey func(event any) string
}

// An EventType is a type of event that a vendor documents. A webhook.EventType is one.
type EventType interface {
	// Name is the type as the vendor writes it.
	Name() string

	// New returns a pointer to a new event: to a struct that embeds webhook.Event.
	New() any
}
