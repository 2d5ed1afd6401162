package convosphere

import (
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Handler receives Convosphere's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct{ *webhook.SignedHandler }

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys and logs. Two endpoints on one store need different names.
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
	h, err := webhook.NewSigned(Profile(), webhook.Endpoint{
		Name:     c.Endpoint,
		Window:   c.Window,
		Attempts: c.Attempts,
	}, c.Keys, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}
