package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// A Delivery is one authentic webhook delivery. A callback may keep it and set its fields. It must not change the contents
// of Body, Keys and Header, because copies of the delivery share them. A Delivery can be stored as JSON and given to
// [Handler.Redeliver] later. JSON preserves every byte of the body.
type Delivery struct {
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`

	// Type is the event's type as the vendor writes it. It is empty if the body has none. A Type, ID or EventID longer than
	// 256 bytes is replaced by "sha256:" and its digest in hex. The original is in Body.
	Type string `json:"type"`

	// ID identifies the delivery. It is the same on every attempt. It is the vendor's id if the vendor sends one that can be
	// trusted, and otherwise a digest of the signed bytes.
	ID string `json:"id"`

	// EventID is the event's id in the body. It is empty if the body has none.
	EventID string `json:"event_id,omitempty"`

	// Time is the event's time in UTC, by the vendor's clock. If the body has no time, it is the time of sending. It is zero
	// if the vendor sends neither.
	Time time.Time `json:"time,omitzero"`

	// ReceivedAt is the time of arrival, by this machine's clock.
	ReceivedAt time.Time `json:"received_at"`

	// Keys identify duplicates. They are in the order in which they are claimed.
	Keys []string `json:"keys"`

	// Attempt is the number of runs of the delivery, including the current one. It is zero before the first run.
	Attempt int `json:"attempt,omitempty"`

	// Tenant is the tenant whose key authenticated the delivery. It is empty without [Tenants].
	Tenant string `json:"tenant,omitempty"`

	// SignedBy is the name of the key or credential that authenticated the delivery.
	SignedBy string `json:"signed_by"`

	// Form is the name of the signature's form, for vendors that sign in several forms.
	Form string `json:"form,omitempty"`

	// Header holds the headers that the vendor documents, without signatures and credentials.
	Header http.Header `json:"header,omitempty"`

	// Body is the body exactly as received. In JSON it is the text "body" if it is UTF-8, and otherwise "body_base64".
	Body []byte `json:"-"`
}

// deliveryFields is a Delivery without its methods.
type deliveryFields Delivery

// MarshalJSON writes the body as a text if it is UTF-8, and in base64 otherwise.
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

// mainKey returns the key that only the sender of the delivery can change.
func (d *Delivery) mainKey() string {
	if len(d.Keys) == 0 {
		return d.ID
	}
	return d.Keys[0]
}

// Again returns a copy with new keys, for a forced retry of a completed delivery. The copy is not a duplicate of the
// original. Each retry of a delivery needs a different n.
func (d *Delivery) Again(n int) *Delivery {
	again := *d
	again.Keys = make([]string, len(d.Keys))
	for i, key := range d.Keys {
		again.Keys[i] = fmt.Sprintf("%s#%d", key, n)
	}
	again.Attempt = 0
	return &again
}

// Event has the fields that every typed event of every vendor embeds. They come from the envelope that selected the
// callback, so an event always has the type of its callback.
type Event struct {
	// ID is the event's id in the body. It is empty if the body has none. A long id is replaced by a digest: see
	// [Delivery.Type].
	ID string `json:"id,omitempty"`

	// Type is the event's type as the vendor writes it.
	Type string `json:"type"`

	// Time is the event's time in UTC, by the vendor's clock. If the body has no time, it is the time of sending. It is zero
	// if the vendor sends neither.
	Time time.Time `json:"time,omitzero"`

	delivery *Delivery
	decoded  decoded
}

// Delivery returns the delivery of the event, with its attempt, headers and body. It is nil if no handler made the event.
func (e *Event) Delivery() *Delivery { return e.delivery }

func (e *Event) event() *Event { return e }

// An AnyEvent is a pointer to a typed event of any vendor, a struct that embeds [Event].
type AnyEvent interface {
	Delivery() *Delivery
	Unknown() map[string]json.RawMessage
	Undecoded() map[string]error

	event() *Event
}
