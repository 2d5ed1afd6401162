package inbox

import (
	"fmt"

	"github.com/aihooks/aihooks-go/webhook"
)

// Explanation explains the state of the entry to an operator, and what to do. It has no text of the delivery or of a
// callback.
func (e *Entry) Explanation() string {
	var last Attempt
	if len(e.Attempts) > 0 {
		last = e.Attempts[len(e.Attempts)-1]
	}
	switch e.State {
	case Pending:
		if last.Outcome != "" {
			return "The last attempt failed. The service tries again automatically."
		}
		return "The delivery is stored, and runs soon."
	case Running:
		return "The callback is running. If its process crashes, another process tries again after the lease has expired."
	case Deferred:
		if last.Outcome == Paused {
			return "The callbacks for this delivery are paused. It runs after they are resumed."
		}
		return "No handler has a callback for this type. The delivery runs as soon as one has."
	case DeadLettered:
		return deadLetterCause(last, len(e.Attempts)) + " The service does not try again. Fix the cause and retry the delivery, or discard it."
	case Done:
		return doneText(last)
	default:
		return ""
	}
}

// deadLetterCause explains why an entry is a dead letter.
func deadLetterCause(last Attempt, attempts int) string {
	switch {
	case last.Reason == webhook.ReasonUndecodable:
		return "The body does not fit the Go type of the event."
	case last.Reason == webhook.ReasonPermanent:
		return "The callback returned a permanent error."
	case last.Outcome == Lost:
		return "The process was lost each time the callback ran. The callback may have crashed it."
	case attempts == 1:
		return "The only attempt failed."
	default:
		return fmt.Sprintf("All %d attempts failed.", attempts)
	}
}

// doneText explains how an entry ended. A discarded entry keeps its attempts, and the last one was not a success. An entry that
// was handled at once has no attempts.
func doneText(last Attempt) string {
	switch last.Outcome {
	case "", webhook.Handled:
		return "The callback handled the delivery."
	case webhook.Duplicate:
		return "The delivery had already been handled."
	case webhook.Ignored:
		return "The callback ignored the delivery."
	default:
		return "The delivery was discarded."
	}
}
