package inbox

import (
	"errors"
	"time"
)

// ErrNotFound is returned when no entry has the ID of a [Filter], or when the entry is not in the filter's state.
var ErrNotFound = errors.New("inbox: no such entry")

// ErrPurged is returned for an entry that cannot run because its body has been purged.
var ErrPurged = errors.New("the body has been purged")

// ErrEmptyFilter is returned for a [Filter] that sets no field, or only State. Set All to select all dead letters.
var ErrEmptyFilter = errors.New("inbox: Filter must not be empty; set All to select every dead letter")

// A Filter selects dead letters. An entry must match every field that is set. An empty filter is an error: see All.
type Filter struct {
	// State must be empty, [DeadLettered] or [Deferred]. Empty and [DeadLettered] select dead letters. [Deferred] selects
	// deliveries whose type has no callback.
	State State

	// ID selects the entry with this ID, if it also matches the other fields.
	ID string

	// Vendor, Endpoint and Type select by these fields of the delivery.
	Vendor, Endpoint, Type string

	// From and Until select by the time of receipt: From <= ReceivedAt < Until.
	From, Until time.Time

	// All selects every dead letter when no other field is set.
	All bool
}
