package standardwebhooks

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives the deliveries of one sender at one endpoint. Register callbacks with [On], then mount it.
//
// Inherited from [webhook.Handler]:
//
//   - ServeHTTP receives one delivery over HTTP and responds.
//   - SetKeys replaces the signing keys while serving.
//   - OnUnhandled registers a callback for deliveries whose type has no callback.
//   - Before registers a function that runs before each callback.
//   - Process receives one delivery without a server, for serverless functions.
//   - Explain reports how a captured delivery would be judged, and why.
//   - Redeliver runs the callback for a stored delivery.
//   - Shutdown waits for running callbacks and refuses new deliveries.
type Handler struct{ *webhook.Handler }

// An Event is a delivered event. Data has the fields of the body's member "data". If the body has no such member, Data has
// those of the body.
type Event[T any] = webhook.EventOf[T]

// Config configures the handler of one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs. It has 1 to 64 letters, digits, dots,
	// underscores and dashes. Two senders or endpoints on one store or inbox need different names. Do not change the name:
	// an inbox then no longer runs the deliveries it stored under the old name, and earlier deliveries are no longer
	// recognized as duplicates. Defaults to "default".
	Endpoint string

	// Keys are the accepted secrets and public keys. At least one is required. A secret is base64, with or without
	// "whsec_". A public key is base64 after "whpk_". Never omit that prefix: the public key would be a secret that
	// everyone knows, and anyone could sign with it. During a rotation, a delivery needs a signature by one of them.
	Keys []signature.Key

	// Tenants finds the keys of each request's tenant, for a service whose customers have separate keys. Keys must then be
	// empty.
	Tenants *webhook.Tenants[signature.Key]

	// HeaderPrefix begins the names of the three headers. Svix sends "svix-id" and so on to receivers of customers that have
	// not chosen another name: set "Svix". Defaults to "Webhook", as the specification says.
	HeaderPrefix string

	// Window is the maximum age of an attempt, by webhook-timestamp. The specification requires a tolerance and names
	// none. Defaults to 5 min, as in the reference libraries.
	Window time.Duration

	// Attempts is the number of the sender's last attempt. The specification suggests 10. Defaults to zero, which means
	// that attempts do not end; our choice, because senders differ.
	Attempts int
}

// NewHandler returns a handler with one secret or public key, named "default". A nil o means the defaults.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	return Config{Keys: []signature.Key{signature.NewKey("default", secret)}}.NewHandler(o)
}

// NewHandler returns a handler. The error names the field that is invalid. A nil o means the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	prefix := cmp.Or(c.HeaderPrefix, "Webhook")
	if prefix != http.CanonicalHeaderKey(prefix) || !signature.Opaque.Accepts(prefix) {
		return nil, fmt.Errorf("standardwebhooks: Config.HeaderPrefix %q must be the beginning of a header in canonical form, such as Svix", prefix)
	}
	h, err := webhook.NewHandler(profileOf(prefix), vendors.HandlerConfig{
		Endpoint: c.Endpoint,
		Keys:     c.Keys,
		Tenants:  c.Tenants,
		Window:   c.Window,
		Attempts: c.Attempts,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}

// On registers fn for events of a type, such as "invoice.paid". T is your struct with the event's fields. On panics
// if T is no struct, if fn is nil, if the type has a callback already, or after the first delivery.
func On[T any](h *Handler, eventType string, fn func(context.Context, *Event[T]) error) {
	webhook.NewEventType[Event[T]](eventType).On(h.Handler, fn)
}
