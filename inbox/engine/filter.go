package engine

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// CheckFilter returns [inbox.ErrEmptyFilter] if the filter sets no field, or only State. It returns an error if State is
// not one of those that [inbox.Filter.State] allows.
func CheckFilter(f inbox.Filter) error {
	if f.State != "" && f.State != inbox.DeadLettered && f.State != inbox.Deferred {
		return fmt.Errorf("inbox: Filter.State (%q) must be empty, %q or %q", f.State, inbox.DeadLettered, inbox.Deferred)
	}
	f.State = ""
	if f.From.IsZero() && f.Until.IsZero() {
		f.From, f.Until = time.Time{}, time.Time{} // a zero time may have a location
	}
	if f == (inbox.Filter{}) {
		return inbox.ErrEmptyFilter
	}
	return nil
}

// Matches reports whether the filter selects e. It ignores the state.
func Matches(f inbox.Filter, e *inbox.Entry) bool {
	d := e.Delivery
	return (f.ID == "" || f.ID == e.ID) &&
		(f.Vendor == "" || f.Vendor == d.Vendor) &&
		(f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
		(f.Type == "" || f.Type == d.Type) &&
		!d.ReceivedAt.Before(f.From) &&
		(f.Until.IsZero() || d.ReceivedAt.Before(f.Until))
}
