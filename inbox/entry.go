package inbox

import (
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A State says where a stored delivery stands.
type State string

// The states. Every delivery begins as Pending and ends as Done or DeadLettered, from where an operator can bring it back.
const (
	// Pending: it waits for its turn, or for the time of its next attempt.
	Pending State = "pending"

	// Running: a process has it. If that process dies, it is pending again once the lease has ended.
	Running State = "running"

	// Deferred: there is no callback for its type. It is pending again as soon as a handler with one runs.
	Deferred State = "deferred"

	// DeadLettered: it will not be run again by itself.
	DeadLettered State = "dead_lettered"

	// Done: a callback has handled it, or an operator has discarded it.
	Done State = "done"
)

// An Entry is a delivery as an inbox has it.
type Entry struct {
	// ID is the engine's own name for the entry, for [Filter] and for people.
	ID string `json:"id"`

	State State `json:"state"`

	// Delivery is what was received. Its Body and Header are nil once they have been purged.
	Delivery *webhook.Delivery `json:"delivery"`

	// Attempts are all runs so far, the oldest first, but for those in the middle of a long history.
	Attempts []Attempt `json:"attempts,omitempty"`

	// Due is when a pending entry is run, at the earliest, and when the lease of a running one ends. Zero otherwise.
	Due time.Time `json:"due,omitzero"`

	// Since is when a dead-lettered or done entry became so. Zero otherwise.
	Since time.Time `json:"since,omitzero"`
}

// LastError returns the error of the last attempt that had one.
func (e *Entry) LastError() string {
	for _, a := range slices.Backward(e.Attempts) {
		if a.Error != "" {
			return a.Error
		}
	}
	return ""
}
