package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// A Delivery is one authentic webhook delivery. Whoever is given it may keep it and set its fields, but must not write
// into its Body, Keys or Header: the copy that is parked, or returned, has the same. It may be stored as JSON, from which
// the body comes back byte for byte, and given to [Handler.Redeliver] later.
type Delivery struct {
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`

	// Type is the event's type as the vendor names it; empty if the body names none. A Type, ID or EventID that would be
	// longer than 256 bytes is "sha256:" and the digest of it in hex; the original is in Body.
	Type string `json:"type"`

	// ID identifies the delivery, and is the same when the vendor sends it again: the vendor's own id where it has one
	// that can be trusted, otherwise a digest of the signed bytes.
	ID string `json:"id"`

	// EventID is the id that the body carries for the event; empty if it carries none.
	EventID string `json:"event_id,omitempty"`

	// Time is the event's time by the vendor's clock, or the time of sending where the body names none, in UTC. Zero if
	// the vendor sends neither.
	Time time.Time `json:"time,omitzero"`

	// ReceivedAt is when the delivery arrived, by our clock.
	ReceivedAt time.Time `json:"received_at"`

	// Keys are what duplicates are recognised by, in the order in which they are claimed.
	Keys []string `json:"keys"`

	// Attempt counts how often the delivery has been given to a callback, this time included. Zero before that.
	Attempt int `json:"attempt,omitempty"`

	// SignedBy is the name of the key, or of the credential, that made the delivery authentic.
	SignedBy string `json:"signed_by"`

	// Form is the name of the form that was signed, for vendors with several.
	Form string `json:"form,omitempty"`

	// Header holds the headers that the vendor's own page names, without signature and credentials.
	Header http.Header `json:"header,omitempty"`

	// Body is the body as it was received, byte for byte. In JSON it is the text "body" if it is UTF-8, and otherwise
	// "body_base64".
	Body []byte `json:"-"`
}

// deliveryFields are a Delivery without its methods.
type deliveryFields Delivery

// MarshalJSON writes the body as text if it is text.
func (d Delivery) MarshalJSON() ([]byte, error) {
	f := struct {
		deliveryFields
		Text   *string `json:"body,omitempty"`
		Binary []byte  `json:"body_base64,omitempty"`
	}{deliveryFields: deliveryFields(d)}
	switch {
	case d.Body == nil:
	case utf8.Valid(d.Body):
		text := string(d.Body)
		f.Text = &text
	default:
		f.Binary = d.Body
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Delivery) UnmarshalJSON(text []byte) error {
	f := struct {
		*deliveryFields
		Text   *string `json:"body"`
		Binary []byte  `json:"body_base64"`
	}{deliveryFields: (*deliveryFields)(d)}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	d.Body = f.Binary
	if f.Text != nil {
		if f.Binary != nil {
			return errors.New("webhook: the JSON of a delivery must have a body or a body_base64, not both")
		}
		d.Body = []byte(*f.Text)
	}
	return nil
}

// mainKey returns what identifies the delivery and only its sender can change.
func (d *Delivery) mainKey() string {
	if len(d.Keys) == 0 {
		return d.ID
	}
	return d.Keys[0]
}

// Again returns a copy that runs under keys of its own, so that it is not taken for a duplicate: for a forced retry of
// a delivery that was completed. The n of a delivery's retries must differ; each is guarded like a delivery of its own.
func (d *Delivery) Again(n int) *Delivery {
	again := *d
	again.Keys = make([]string, len(d.Keys))
	for i, key := range d.Keys {
		again.Keys[i] = fmt.Sprintf("%s#%d", key, n)
	}
	again.Attempt = 0
	return &again
}

// Event is what every typed event of every vendor carries. It is set from the envelope that the delivery was routed
// by, never decoded a second time, so what was routed on is what the event says.
type Event struct {
	// ID is the id that the body carries for the event; empty if it carries none. A digest takes the place of a long one:
	// see [Delivery.Type].
	ID string `json:"id,omitempty"`

	// Type is the event's type as the vendor names it.
	Type string `json:"type"`

	// Time is when the event happened, or was sent where the body does not say, by the vendor's clock and in UTC. Zero
	// if the vendor sends neither.
	Time time.Time `json:"time,omitzero"`

	delivery *Delivery
	decoded  decoded
}

// Delivery returns the delivery that brought the event: its attempt, its headers, every byte of its body. It is nil
// for an event that was not made by a handler.
func (e *Event) Delivery() *Delivery { return e.delivery }

func (e *Event) event() *Event { return e }

// An AnyEvent is a pointer to a typed event of some vendor: to a struct that embeds [Event].
type AnyEvent interface {
	Delivery() *Delivery
	Unknown() map[string]json.RawMessage
	Undecoded() map[string]error

	event() *Event
}
