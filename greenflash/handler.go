package greenflash

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives Greenflash's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
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

// A Form defines which bytes Greenflash signs. Greenflash's page only says "HMAC signature of the payload".
type Form string

// The forms. Each is accepted unless [Config.Form] selects one. [webhook.Delivery.Form] reports which form a delivery had.
const (
	// FormAny accepts all three.
	FormAny Form = ""
	// FormTimestamp signs "<timestamp>.<body>".
	FormTimestamp Form = "timestamp.body"
	// FormDelivery signs "<delivery>.<timestamp>.<body>", as Standard Webhooks does.
	FormDelivery Form = "delivery.timestamp.body"
	// FormBody signs the body alone. The timestamp is checked as Greenflash asks, but anyone can change it. A replay is
	// therefore refused only while the store remembers the body. Two genuine deliveries with the same bytes are one
	// event.
	FormBody Form = "body"
)

// Config configures the handler of one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs. It has 1 to 64 letters, digits, dots,
	// underscores and dashes. Two endpoints on one store or inbox need different names. Do not change the name: an inbox
	// then no longer runs the deliveries it stored under the old name, and earlier deliveries are no longer recognized as
	// duplicates. Defaults to "default".
	Endpoint string

	// Keys are the accepted signing secrets. At least one is required.
	Keys []signature.Key

	// Tenants finds the keys of each request's tenant, for a service whose customers have separate keys. Keys must then be
	// empty.
	Tenants *webhook.Tenants[signature.Key]

	// Window is the maximum age of a delivery, by its X-Greenflash-Timestamp header. Defaults to 5 min, as documented.
	Window time.Duration

	// Attempts is the number of the attempt that is treated as the last. A delivery that fails on it is dead-lettered.
	// A copy that arrives within 1 s does not count. Greenflash is silent about retries. Defaults to 1; our choice.
	Attempts int

	// Form is the only form that is accepted. The observation reports which form your deliveries have. Set that form
	// if it signs the timestamp: two deliveries with equal bodies are then two events. Defaults to FormAny.
	Form Form
}

// NewHandler returns a handler with one secret, named "default". A nil o means the defaults.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	return Config{Keys: []signature.Key{signature.NewKey("default", secret)}}.NewHandler(o)
}

// NewHandler returns a handler. The error names the field that is invalid. A nil o means the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	p := Profile()
	if c.Form != FormAny {
		pinned, err := p.Scheme.Pin(string(c.Form))
		if err != nil {
			return nil, fmt.Errorf("greenflash: Config.Form: %w", err)
		}
		p.Scheme = &pinned
	}
	h, err := webhook.NewHandler(p, vendors.HandlerConfig{
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
