package workflux

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives WorkFlux's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
// An On method panics if fn is nil, if the type already has a callback, and after the first delivery.
//
// Inherited from [webhook.Handler]:
//
//   - ServeHTTP receives one delivery over HTTP and responds.
//   - SetKeys replaces the signing keys while serving.
//   - OnUnhandled registers a callback for deliveries whose type has no callback.
//   - OnEvent registers one callback for every documented type, decoded.
//   - Before registers a function that runs before each callback.
//   - Process receives one delivery without a server, for serverless functions.
//   - Explain reports how a captured delivery would be judged, and why.
//   - Redeliver runs the callback for a stored delivery.
//   - Shutdown waits for running callbacks and refuses new deliveries.
type Handler struct{ *webhook.Handler }

// Config configures the handler of one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs. It has 1 to 64 letters, digits, dots,
	// underscores and dashes. Two endpoints on one store or inbox need different names. Do not change the name: an inbox
	// then no longer runs the deliveries it stored under the old name, and earlier deliveries are no longer recognized as
	// duplicates. Defaults to "default".
	Endpoint string

	// Keys are the accepted signing secrets. At least one is required. WorkFlux's API accepts any
	// string as the secret of a webhook. The bytes of that string are the key; they are never decoded.
	Keys []signature.Key

	// Tenants finds the keys of each request's tenant, for a service whose customers have separate keys. Keys must then be
	// empty.
	Tenants *webhook.Tenants[signature.Key]

	// Window is the maximum age of a delivery, by the timestamp in its body. It must be longer than WorkFlux retries,
	// because WorkFlux does not say whether the timestamp is the event's or the attempt's. Defaults to 2 h; our choice.
	Window time.Duration

	// Attempts is the number of the attempt after which WorkFlux disables the endpoint. A copy that arrives within 30 s
	// does not count. Defaults to 5, as documented. By default, no attempt is the last while the delivery is younger than
	// 40 minutes. If you set Attempts, only the count decides.
	Attempts int

	// DedupKey returns the name by which duplicates of an event are recognized. The event is a pointer to one of the
	// types of this package. The default name is a digest of the signed body, because WorkFlux sends no id. So two events
	// with the same bytes are one by default, such as two equal user messages within a second. An empty name selects the
	// default. Events of different types are never one. With a DedupKey, a field of an unexpected type makes the delivery
	// undecodable, because DedupKey may need that field.
	DedupKey func(event any) string
}

// NewHandler returns a handler with one secret, named "default". A nil o means the defaults.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	return Config{Keys: []signature.Key{signature.NewKey("default", secret)}}.NewHandler(o)
}

// NewHandler returns a handler. The error names the field that is invalid. A nil o means the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	h, err := webhook.NewHandler(Profile(), vendors.HandlerConfig{
		Endpoint: c.Endpoint,
		Keys:     c.Keys,
		Tenants:  c.Tenants,
		Window:   c.Window,
		Attempts: c.Attempts,
		DedupKey: c.DedupKey,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}
