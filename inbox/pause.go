package inbox

import (
	"errors"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Scope selects the deliveries of a vendor, an endpoint or a type, or of a combination. An empty field selects all.
type Scope struct {
	Vendor   string `json:"vendor,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Type     string `json:"type,omitempty"`
}

// Includes reports whether the scope selects the deliveries of an endpoint and a type.
func (s Scope) Includes(vendor, endpoint, eventType string) bool {
	return (s.Vendor == "" || s.Vendor == vendor) && (s.Endpoint == "" || s.Endpoint == endpoint) && (s.Type == "" || s.Type == eventType)
}

// ErrEmptyScope is returned for a [Scope] that sets no field.
var ErrEmptyScope = errors.New("inbox: Scope must not be empty; set Vendor, Endpoint or Type")

// A Pause says that the callbacks of a scope do not run. See [Operator.Pause].
type Pause struct {
	Scope
	Actor

	// At is when the scope was paused.
	At time.Time `json:"at"`
}

// Paused is the outcome of an attempt that did not run because its delivery was paused.
const Paused webhook.Outcome = "paused"
