package inbox

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is returned when a [Filter] names an entry by its ID and there is none, or it is not in the filter's state.
var ErrNotFound = errors.New("inbox: no such entry")

// ErrPurged is returned when an entry is to be run whose body has been purged.
var ErrPurged = errors.New("the body has been purged")

// ErrEmptyFilter is returned for a [Filter] that says nothing.
var ErrEmptyFilter = errors.New("inbox: an empty Filter selects nothing; set All to mean every dead letter")

// A Filter selects dead letters: those for which all that is set holds. An empty one selects nothing; see All.
type Filter struct {
	// State selects dead letters if it is empty or [Dead], and deliveries whose type has no callback if it is [Waiting].
	// Other states are an error.
	State State

	// ID selects one. The other fields narrow it down further.
	ID string

	// Vendor, Endpoint and Type select by what the delivery is.
	Vendor, Endpoint, Type string

	// From and Until select by when the delivery was received: not before From, and before Until.
	From, Until time.Time

	// All says that an otherwise empty filter is meant.
	All bool
}

// Check returns [ErrEmptyFilter] if the filter says nothing but a state, and an error if that is not one of State's. Engines
// call it.
func (f Filter) Check() error {
	if f.State != "" && f.State != Dead && f.State != Waiting {
		return fmt.Errorf("inbox: Filter.State (%q) must be empty, %q or %q", f.State, Dead, Waiting)
	}
	f.State = ""
	if f.From.IsZero() && f.Until.IsZero() {
		f.From, f.Until = time.Time{}, time.Time{} // wherever they are
	}
	if f == (Filter{}) {
		return ErrEmptyFilter
	}
	return nil
}

// Matches reports whether the filter selects e, its state aside.
func (f Filter) Matches(e *Entry) bool {
	d := e.Delivery
	return (f.ID == "" || f.ID == e.ID) &&
		(f.Vendor == "" || f.Vendor == d.Vendor) &&
		(f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
		(f.Type == "" || f.Type == d.Type) &&
		!d.ReceivedAt.Before(f.From) &&
		(f.Until.IsZero() || d.ReceivedAt.Before(f.Until))
}
