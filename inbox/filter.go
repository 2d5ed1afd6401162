package inbox

import (
	"errors"
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
	// State selects dead letters if it is empty or [DeadLettered], and deliveries whose type has no callback if it is [Deferred].
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
