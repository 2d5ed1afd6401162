package greenflash

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Handler receives Greenflash's deliveries at one endpoint. Register callbacks with its On methods, then mount it.
type Handler struct{ *webhook.Handler }

// A Form is what Greenflash's signature is made over. Its page says no more than "HMAC signature of the payload".
type Form string

// The forms. Any of them is accepted unless [Config.Form] pins one; [webhook.Delivery.Form] tells which it was.
const (
	// FormAny accepts all three.
	FormAny Form = ""
	// FormTimestamp signs "<timestamp>.<body>".
	FormTimestamp Form = "timestamp.body"
	// FormDelivery signs "<delivery>.<timestamp>.<body>", as Standard Webhooks do.
	FormDelivery Form = "delivery.timestamp.body"
	// FormBody signs the body alone. The timestamp is then checked as Greenflash asks, but protects nothing, because
	// anybody can change it: a replay is refused only for as long as the store remembers the body. Two genuine
	// deliveries with the same bytes are one event.
	FormBody Form = "body"
)

// Config is what belongs to one endpoint.
type Config struct {
	// Endpoint names the endpoint in store keys, in an inbox and in logs: 1 to 64 letters, digits, dots, underscores and
	// dashes. Two endpoints on one store or inbox need different names. Do not change it: an inbox runs what was stored
	// under a name only by a handler of that name, and duplicates of what came before are not recognized.
	// Defaults to "default".
	Endpoint string

	// Keys are the live signing secrets. At least one is required.
	Keys []signature.Key

	// Window is how old a delivery may be, by its X-Greenflash-Timestamp header. Defaults to 5 min, as documented.
	Window time.Duration

	// Attempts is the attempt after which Greenflash may send a delivery no more: the one that is dead-lettered if it
	// fails. Greenflash does not say whether it sends again at all. A copy that comes within 1 s does not count.
	// Defaults to 1, our choice.
	Attempts int

	// Form pins the form that is signed. Defaults to FormAny. The observation says which one your deliveries have:
	// pin it, if it has a timestamp, and equal bodies are no longer one event.
	Form Form
}

// NewHandler returns a handler with one secret, named "default". Nil options are the defaults.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	return Config{Keys: []signature.Key{signature.NewKey("default", secret)}}.NewHandler(o)
}

// NewHandler returns a handler, or an error that names the field that breaks a rule. Nil options are the defaults.
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
		Window:   c.Window,
		Attempts: c.Attempts,
	}, o)
	if err != nil {
		return nil, err
	}
	return &Handler{h}, nil
}
