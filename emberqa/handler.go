package emberqa

import (
	"crypto/rand"
	"errors"
	"log/slog"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives EmberQA's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
// An On method panics if fn is nil, if the type already has a callback, and after the first delivery.
//
// Inherited from [webhook.Handler]:
//
//   - ServeHTTP receives one delivery over HTTP and responds.
//   - SetCredentials replaces the credentials while serving. It is EmberQA's replacement for SetKeys, which returns an
//     error because EmberQA does not sign.
//   - OnUnhandled registers a callback for deliveries whose type has no callback.
//   - OnEvent registers one callback for every documented type, decoded.
//   - Before registers a function that runs before each callback.
//   - Process receives one delivery without a server, for serverless functions.
//   - Explain reports how a captured delivery would be judged, and why.
//   - Redeliver runs the callback for a stored delivery.
//   - Shutdown waits for running callbacks and refuses new deliveries.
type Handler struct {
	*webhook.Handler
	gate *gate
}

// Config configures the handler of one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs. It has 1 to 64 letters, digits, dots,
	// underscores and dashes. Two endpoints on one store or inbox need different names. Do not change the name: an inbox
	// then no longer runs the deliveries it stored under the old name, and earlier deliveries are no longer recognized as
	// duplicates. Defaults to "default".
	Endpoint string

	// Credentials are the accepted credentials. A delivery must show one of them. At least one is required.
	Credentials []Credential

	// Tenants finds the credentials of each request's tenant. Credentials must then be empty.
	Tenants *webhook.Tenants[Credential]

	// Attempts is the number of the earliest attempt that can be EmberQA's last. EmberQA's page says "Retry Attempts: 2",
	// which can mean two or three deliveries in total. A copy that arrives within 1 s does not count. Defaults to 2.
	Attempts int
}

// NewHandler returns a handler with one credential. A nil o means the defaults.
func NewHandler(c Credential, o *webhook.Options) (*Handler, error) {
	return Config{Credentials: []Credential{c}}.NewHandler(o)
}

// NewHandler returns a handler. The error names the field that is invalid. A nil o means the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	g, authenticator, err := c.authenticator(logger(o))
	if err != nil {
		return nil, err
	}
	h, err := webhook.NewHandler(Profile(), vendors.HandlerConfig{
		Endpoint:      c.Endpoint,
		Authenticator: authenticator,
		Attempts:      c.Attempts,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{Handler: h, gate: g}, nil
}

// authenticator returns the gate of the credentials. With Tenants, it returns no gate, but an Authenticator with a gate for
// each tenant.
func (c *Config) authenticator(l *slog.Logger) (*gate, vendors.Authenticator, error) {
	if c.Tenants == nil {
		g := &gate{logger: l}
		return g, g, g.set(c.Credentials)
	}
	newGate := func(credentials []Credential) (*gate, error) {
		g := &gate{logger: slog.New(slog.DiscardHandler)} // its warnings would come again with every lookup
		return g, g.set(credentials)
	}
	if len(c.Credentials) > 0 {
		return nil, nil, errors.New("emberqa: Config.Credentials must be empty with Config.Tenants")
	}
	unknown, err := newGate([]Credential{Token(rand.Text())})
	if err != nil {
		return nil, nil, err
	}
	a, err := c.Tenants.PerTenant(unknown, func(credentials []Credential) (vendors.Authenticator, error) { return newGate(credentials) })
	return nil, a, err
}

// SetCredentials replaces all credentials at once, while serving. To rotate, first set the new and the old credential.
// Then change the URL in EmberQA's dashboard, and set the new credential alone. After an error, the credentials are
// unchanged. [webhook.Handler.Explain] uses the digests of the last 16 previous credentials; these authenticate nothing.
// With Config.Tenants, SetCredentials returns an error.
func (h *Handler) SetCredentials(credentials ...Credential) error {
	if h.gate == nil {
		return errors.New("emberqa: SetCredentials: the credentials come from Config.Tenants")
	}
	return h.gate.set(credentials)
}
