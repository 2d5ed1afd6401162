package workflux

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives WorkFlux's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct{ *webhook.Handler }

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs: 1 to 64 letters, digits, dots, underscores and
	// dashes. Two endpoints on one store or inbox need different names. Do not change it: an inbox runs what was stored
	// under a name only by a handler of that name, and duplicates of what came before are not recognized.
	// Defaults to "default".
	Endpoint string

	// Keys are the live signing secrets. At least one is required. WorkFlux's API takes any string of the caller's as the
	// secret of a webhook: its bytes are the key, and are never decoded.
	Keys []signature.Key

	// Window is how old a delivery may be, by the timestamp in its body. It must be longer than WorkFlux goes on
	// retrying, for it does not say whether the timestamp is the event's or the attempt's. Defaults to 2 h; our choice.
	Window time.Duration

	// Attempts is the attempt after which WorkFlux sends a delivery no more, and disables the endpoint.
	// A copy that comes within 30 s does not count. Defaults to 5, as documented, and no attempt is the last while the
	// delivery is younger than 40 minutes. Setting Attempts makes the count alone decide.
	Attempts int

	// DedupKey names a delivery by its decoded event, a pointer to one of the types of this package. WorkFlux sends no id,
	// so two events with the same bytes, two equal user messages within a second for instance, are one unless DedupKey
	// tells them apart. An empty name leaves the delivery its default: a digest of the signed body. Events of different
	// types never are one. With a DedupKey, a field that does not fit makes the delivery undecodable, because DedupKey may need it.
	DedupKey func(event any) string
}

// NewHandler returns a handler with one secret, named "default". Nil options are the defaults.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	return Config{Keys: []signature.Key{signature.NewKey("default", secret)}}.NewHandler(o)
}

// NewHandler returns a handler, or an error that names the field that breaks a rule. Nil options are the defaults.
func (c Config) NewHandler(o *webhook.Options) (*Handler, error) {
	h, err := webhook.NewHandler(Profile(), vendors.HandlerConfig{
		Endpoint: c.Endpoint,
		Keys:     c.Keys,
		Window:   c.Window,
		Attempts: c.Attempts,
		DedupKey: c.DedupKey,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}
