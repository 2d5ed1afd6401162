package vendors

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// A Profile describes a vendor to the handler. To add a vendor, write a package with a new Profile.
type Profile struct {
	// Name is the vendor's name in keys, logs and observations. It has lower-case letters only.
	Name string

	// Scheme is the vendor's signature scheme. It is nil if the vendor does not sign.
	Scheme *signature.Scheme

	// Envelope names the members of the body that form the envelope.
	Envelope EnvelopeNames

	// TypeHeader is the header with the event's type, for vendors that do not send it in the body. Often the signature does
	// not cover it. So DedupKeys must not depend on the type: otherwise a capture runs again as another type.
	TypeHeader string

	// DedupKeys returns the id of a delivery, and the keys that identify its duplicates. The handler calls it for authentic
	// deliveries only.
	DedupKeys func(a *Authenticated) DedupKeys

	// TimeField is the header with the time of sending, or the Element of a [signature.Field]. If it is empty, the time in the
	// body is checked against the window.
	TimeField string

	// Headers are the other headers that a webhook.Delivery keeps. It must not name a header with a signature or a
	// credential.
	Headers []string

	// Window is the maximum age of a delivery. It is zero if the vendor sends no time that can be checked.
	Window time.Duration

	// RespondWithin is how long the vendor waits for a response.
	RespondWithin time.Duration

	// RetryWindow is the longest time between the vendor's first and last attempt.
	RetryWindow time.Duration

	// Attempts is the number of the earliest attempt that can be the vendor's last. Zero means that attempts do not end.
	Attempts int

	// ShortestPause is the shortest time between two of the vendor's attempts. A failure does not count as an attempt if it
	// comes less than half of ShortestPause after the last counted one: then a proxy or a person sent a copy. Zero means
	// that every failure counts.
	ShortestPause time.Duration

	// GiveUpAfter is the age of the signed time after which an attempt is the last, in addition to the count. A delivery
	// whose key is its content has the same signed time on every attempt. While it is younger than GiveUpAfter, no attempt
	// is the last. Zero means that the age has no effect.
	GiveUpAfter time.Duration

	// DisablesEndpoint reports that the vendor disables the endpoint after the last attempt of a delivery has failed.
	DisablesEndpoint bool

	// Events are the event types that the vendor documents.
	Events []EventType
}

// A HandlerConfig has the settings of one handler. A vendor's package makes it from its Config.
type HandlerConfig struct {
	// Endpoint distinguishes the endpoints of one vendor that share a store. Defaults to "default".
	Endpoint string

	// Keys are the live signing keys, for a vendor that signs. The handler verifies with the profile's Scheme.
	Keys []signature.Key

	// Tenants finds the signing keys of each request's tenant. Keys must then be empty.
	Tenants *Tenants[signature.Key]

	// Authenticator authenticates deliveries, for a vendor that does not sign. Keys and Tenants must then be empty.
	Authenticator Authenticator

	// Window replaces the profile's Window, if that is not zero. Zero keeps the profile's.
	Window time.Duration

	// Attempts replaces the profile's Attempts and disables its GiveUpAfter. Zero keeps both.
	Attempts int

	// DedupKey, if set, returns the key of a delivery from its decoded event. It replaces the profile's DedupKeys, unless it
	// returns "". Its argument is a pointer to the event's type. It is called only for types that have a callback. The
	// handler adds the type to the key. With a DedupKey every field must fit, as with webhook.Options.StrictFields.
	DedupKey func(event any) string
}

// An EventType is an event type that a vendor documents. A webhook.EventType implements it.
type EventType interface {
	// Name returns the type as the vendor writes it.
	Name() string

	// New returns a pointer to a new event, a struct that embeds webhook.Event.
	New() any
}
