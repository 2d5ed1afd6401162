package inbox

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Handler runs the callbacks for the stored deliveries of one vendor at one endpoint. Every vendor's *Handler
// implements it. An inbox needs no signing key.
type Handler interface {
	// Vendor and Endpoint name the deliveries that the handler is for. The name of the endpoint is stored with each
	// delivery. A handler with another name does not run the deliveries that were stored under the old one. Vendor
	// handlers accept 1 to 64 letters, digits, dots, underscores and dashes. Upper and lower case differ.
	Vendor() string
	Endpoint() string

	// Handles reports whether there is a callback for an event type.
	Handles(eventType string) bool

	// Redeliver runs the callback for d and returns the result.
	Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result
}
