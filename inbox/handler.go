package inbox

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Handler calls back for the stored deliveries of one vendor at one endpoint. Every vendor's *Handler is one; an inbox
// needs nothing else of it, and no signing key.
type Handler interface {
	// Vendor and Endpoint name the deliveries that the handler is for. An endpoint's name is stored with each of them: a
	// handler that gets another name does not run what was stored under the old one. Vendor handlers take 1 to 64
	// letters, digits, dots, underscores and dashes; upper and lower case differ.
	Vendor() string
	Endpoint() string

	// Handles reports whether there is a callback for an event type.
	Handles(eventType string) bool

	// Redeliver calls back and says what came of it.
	Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result
}
