package inbox

import (
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A State is the state of a stored delivery.
type State string

// The states. Every delivery begins as Pending and ends as Done or DeadLettered. An operator can make it Pending again.
const (
	// Pending: the delivery waits until it is due, and until a slot is free.
	Pending State = "pending"

	// Running: a process has leased it. If that process crashes, the delivery is pending again once the lease has ended.
	Running State = "running"

	// Deferred: no callback exists for its type, or an operator has paused it. It is pending again as soon as a running
	// handler has a callback, and nothing pauses it.
	Deferred State = "deferred"

	// DeadLettered: it runs again only if an operator retries it.
	DeadLettered State = "dead_lettered"

	// Done: a callback has handled it, or an operator has discarded it.
	Done State = "done"
)

// An Entry is a stored delivery with its state and its attempts.
type Entry struct {
	// ID identifies the entry in the engine. Use it in a [Filter].
	ID string `json:"id"`

	State State `json:"state"`

	// Delivery is the received delivery. Its Body and Header are nil once they have been purged.
	Delivery *webhook.Delivery `json:"delivery"`

	// Attempts are the runs so far, the oldest first. A long history lacks some in the middle.
	Attempts []Attempt `json:"attempts,omitempty"`

	// Due is the earliest time at which a pending entry runs. For a running entry, it is when the lease ends. Zero
	// otherwise.
	Due time.Time `json:"due,omitzero"`

	// Since is when the entry became dead-lettered or done. Zero otherwise.
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
