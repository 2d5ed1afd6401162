package emberqa

import (
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Handler receives EmberQA's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct {
	*webhook.Handler
	gate *gate
}

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys and logs. Two endpoints on one store need different names.
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
	h, err := webhook.New(Profile(), webhook.Endpoint{
		Name:          c.Endpoint,
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
// were. The digests of the last 16 former credentials are remembered for [webhook.Handler.Explain]; they let nothing in.
func (h *Handler) SetCredentials(credentials ...Credential) error { return h.gate.set(credentials) }

// Profile returns all that the handler knows of EmberQA: for test kits and tools. It follows EmberQA's webhook page.
func Profile() webhook.Profile {
	return webhook.Profile{
		Name: "emberqa",
		Envelope: webhook.EnvelopeNames{
			Type: []string{"alert_type", "trigger_reason"},
			ID:   []string{"webhook_id"},
			Time: []string{"timestamp"}, // of alerts only, and nobody signs it: there is no window
		},
		Identify:      webhook.ByEventID,
		AnswerWithin:  30 * time.Second,
		Horizon:       24 * time.Hour,  // ids are to be kept for that long
		Attempts:      2,               // of two or three; the page can be read both ways
		ShortestPause: 2 * time.Second, // silent: longer than a proxy waits before it sends a copy
		Events:        events,
	}
}
