package inbox

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A State says where a stored delivery stands.
type State string

// The states. Every delivery begins as Pending and ends as Done or Dead, from where an operator can bring it back.
const (
	// Pending: it waits for its turn, or for the time of its next attempt.
	Pending State = "pending"

	// Running: a process has it. If that process dies, it is pending again once the lease has ended.
	Running State = "running"

	// Waiting: there is no callback for its type. It is pending again as soon as a handler with one runs.
	Waiting State = "waiting"

	// Dead: it will not be run again by itself.
	Dead State = "dead"

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

	// Since is when a dead or done entry became so. Zero otherwise.
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

// An Attempt is one run of a delivery.
type Attempt struct {
	// At is when it began.
	At time.Time `json:"at"`

	// Took is how long it lasted. In JSON it is "took_ms", a number of milliseconds.
	Took time.Duration `json:"-"`

	// Outcome and Reason are the handler's, or [Lost].
	Outcome webhook.Outcome `json:"outcome"`
	Reason  webhook.Reason  `json:"reason,omitempty"`

	// Error is the text of the callback's error, or of what kept it from being run. It is cut off after [MaxError] bytes.
	Error string `json:"error,omitempty"`

	// Counted says whether the attempt is one of [Policy.MaxAttempts].
	Counted bool `json:"counted"`
}

// MarshalJSON writes Took in milliseconds.
func (a Attempt) MarshalJSON() ([]byte, error) {
	type fields Attempt // without this method
	return json.Marshal(struct {
		fields
		TookMS float64 `json:"took_ms"`
	}{fields(a), float64(a.Took) / float64(time.Millisecond)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Attempt) UnmarshalJSON(text []byte) error {
	type fields Attempt
	f := struct {
		*fields
		TookMS float64 `json:"took_ms"`
	}{fields: (*fields)(a)}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	a.Took = time.Duration(math.Round(f.TookMS * float64(time.Millisecond)))
	return nil
}

// Lost is the outcome of an attempt whose process was not heard of again.
const Lost webhook.Outcome = "lost"

// What is kept of a delivery's history: the first attempt and the last ones, and so much of an error's text.
const (
	MaxAttemptsKept = 50
	MaxError        = 4096
)

// Append returns the history with one more attempt. One that does not count takes the place of another such before it:
// a store that is away for a day would fill the history. Only a lost one takes the place of a lost one, which makes a
// suspect. Where the history has become too long, Append leaves out the second attempt.
func Append(history []Attempt, a Attempt) []Attempt {
	if n := len(history); n > 0 && !a.Counted && !history[n-1].Counted && (history[n-1].Outcome != Lost || a.Outcome == Lost) {
		history = history[: n-1 : n-1]
	}
	if n := len(history); n >= MaxAttemptsKept {
		history = append(history[:1:1], history[n-MaxAttemptsKept+2:]...)
	}
	return append(history, a)
}
