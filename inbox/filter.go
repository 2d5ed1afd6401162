package inbox

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrNotFound is returned when no entry has the ID of a [Filter], or when the entry is not in the filter's state.
var ErrNotFound = errors.New("inbox: no such entry")

// ErrPurged is returned for an entry that cannot run because its body has been purged.
var ErrPurged = errors.New("the body has been purged")

// ErrEmptyFilter is returned for a [Filter] that sets no field, or only State. Set All to select all dead letters.
var ErrEmptyFilter = errors.New("inbox: Filter must not be empty; set All to select every dead letter")

// A Filter selects entries. An entry must match every field that is set. For the operations that change dead letters, an
// empty filter is an error: see All.
type Filter struct {
	// State selects a state in a [Query]. Operations that change entries accept only empty and [DeadLettered], which select
	// dead letters, and [Deferred], which selects deliveries whose type has no callback or is paused.
	State State `json:"state,omitempty"`

	// ID selects the entry with this ID, if it also matches the other fields.
	ID string `json:"id,omitempty"`

	// Vendor, Endpoint and Type select by these fields of the delivery.
	Vendor   string `json:"vendor,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Type     string `json:"type,omitempty"`

	// From and Until select by the time of receipt: From <= ReceivedAt < Until.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`

	// Text must be contained in the ID of the delivery, its type, its endpoint, the reason of its last attempt, or its last
	// error. Upper and lower case are the same.
	Text string `json:"text,omitempty"`

	// All selects every dead letter when no other field is set.
	All bool `json:"all,omitempty"`
}

// Matches reports whether the filter selects an entry. An empty State selects every state here.
func (f *Filter) Matches(e *Entry) bool {
	d := e.Delivery
	return (f.State == "" || f.State == e.State) &&
		(f.ID == "" || f.ID == e.ID) &&
		(f.Vendor == "" || f.Vendor == d.Vendor) &&
		(f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
		(f.Type == "" || f.Type == d.Type) &&
		!d.ReceivedAt.Before(f.From) &&
		(f.Until.IsZero() || d.ReceivedAt.Before(f.Until)) &&
		(f.Text == "" || f.containsText(e))
}

func (f *Filter) containsText(e *Entry) bool {
	text := strings.ToLower(f.Text)
	fields := []string{e.Delivery.ID, e.Delivery.Type, e.Delivery.Endpoint, e.LastError()}
	if n := len(e.Attempts); n > 0 {
		fields = append(fields, string(e.Attempts[n-1].Reason))
	}
	return slices.ContainsFunc(fields, func(field string) bool { return strings.Contains(strings.ToLower(field), text) })
}
