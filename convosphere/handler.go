package convosphere

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives Convosphere's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct{ *webhook.Handler }

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs: 1 to 64 letters, digits, dots, underscores and
	// dashes. Two endpoints on one store or inbox need different names. Do not change it: an inbox runs what was stored
	// under a name only by a handler of that name, and duplicates of what came before are not recognized.
	// Defaults to "default".
	Endpoint string

	// Keys are the live signing secrets. At least one is required. In Convosphere's API the secret is optional and the
	// caller's choice when a webhook is created; what is sent without one is not documented, so set one.
	Keys []signature.Key

	// Window is how old a delivery may be, by the timestamp in its body. It must be longer than Convosphere goes on
	// retrying, 31 min. Convosphere names no window; defaults to 1 h, our choice.
	Window time.Duration

	// Attempts is the attempt after which Convosphere sends a delivery no more. Defaults to 6: the first and the five
	// documented retries. A copy that comes within 30 s does not count.
	Attempts int
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
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}
