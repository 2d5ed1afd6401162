package emberqa

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives EmberQA's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct {
	*webhook.Handler
	gate *gate
}

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs: 1 to 64 letters, digits, dots, underscores and
	// dashes. Two endpoints on one store or inbox need different names. Do not change it: an inbox runs what was stored
	// under a name only by a handler of that name, and duplicates of what came before are not recognized.
	// Defaults to "default".
	Endpoint string

	// Credentials are those that are live: any of them lets a delivery in. At least one is required.
	Credentials []Credential

	// Attempts is the earliest attempt that can be EmberQA's last. Its page says "Retry Attempts: 2", which can be read
	// as two or as three deliveries in all. A copy that comes within 1 s does not count. Defaults to 2.
	Attempts int
}

// NewHandler returns a handler with one credential. Nil options are the defaults.
func NewHandler(c Credential, o *webhook.Options) (*Handler, error) {
	return Config{Credentials: []Credential{c}}.NewHandler(o)
}

// NewHandler returns a handler, or an error that names the field that breaks a rule. Nil options are the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	g := &gate{logger: logger(o)}
	if err := g.set(c.Credentials); err != nil {
		return nil, err
	}
	h, err := webhook.NewHandler(Profile(), vendors.HandlerConfig{
		Endpoint:      c.Endpoint,
		Authenticator: g,
		Attempts:      c.Attempts,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{Handler: h, gate: g}, nil
}

// SetCredentials exchanges the credentials while serving, all at once: for a rotation, first set the new and the old
// one, then, once the URL in EmberQA's dashboard has been changed, the new one alone. After an error they are as they
// were. The digests of the last 16 previous credentials are remembered for [webhook.Handler.Explain]; they let nothing in.
func (h *Handler) SetCredentials(credentials ...Credential) error { return h.gate.set(credentials) }

// Profile returns all that the handler knows of EmberQA: for test kits and tools. It follows EmberQA's webhook page.
func Profile() vendors.Profile {
	return vendors.Profile{
		Name: "emberqa",
		Envelope: vendors.EnvelopeNames{
			Type: []string{"alert_type", "trigger_reason"},
			ID:   []string{"webhook_id"},
			Time: []string{"timestamp"}, // of alerts only, and nobody signs it: there is no window
		},
		DedupKeys:     vendors.ByEventID,
		RespondWithin: 30 * time.Second,
		RetryWindow:   24 * time.Hour,  // ids are to be kept for that long
		Attempts:      2,               // of two or three; the page can be read both ways
		ShortestPause: 2 * time.Second, // silent: longer than a proxy waits before it sends a copy
		Events:        events,
	}
}
