package inboxsource

import (
	"fmt"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

var (
	retry   = page.Action{Name: "retry", Label: "Retry"}
	discard = page.Action{Name: "discard", Label: "Discard", Confirm: "Discard this delivery? It will not run again, and its body is deleted at once. This cannot be undone."}
	rerun   = page.Action{Name: "rerun", Label: "Run again", Confirm: "Run this delivery again, even if it was already handled? Its callback may then run a second time."}
)

// Item implements [page.OperatorSource]. The item has the actions that its state allows.
func (s *Source) Item(e *inbox.Entry) page.Item {
	d := e.Delivery
	i := page.Item{
		ID: e.ID, Vendor: d.Vendor, Endpoint: d.Endpoint, Type: d.Type, Delivery: d.ID, At: d.ReceivedAt,
		Verdict: string(e.State), Tone: page.Idle, Tries: len(e.Attempts),
	}
	var last inbox.Attempt
	if len(e.Attempts) > 0 {
		last = e.Attempts[len(e.Attempts)-1]
	}
	if e.State != inbox.Done {
		i.Reason, i.Error = string(last.Reason), e.LastError()
	}
	switch e.State {
	case inbox.Pending:
		i.Explanation = "The delivery is stored, and runs soon."
		if last.Outcome != "" {
			i.Tone, i.Explanation = page.Warn, "The last attempt failed. The service tries again automatically."
		}
	case inbox.Running:
		i.Explanation = "The callback is running. If its process crashes, another process tries again after the lease has expired."
	case inbox.Deferred:
		i.Tone, i.Actions = page.Warn, []page.Action{discard}
		i.Explanation = "No handler has a callback for this type. The delivery runs as soon as one has."
		if last.Outcome == inbox.Paused {
			i.Explanation = "The callbacks for this delivery are paused. It runs after they are resumed."
		}
	case inbox.DeadLettered:
		i.Tone, i.Actions = page.Bad, []page.Action{retry, discard, rerun}
		i.Explanation = deadLetterCause(last, len(e.Attempts)) + " The service does not try again. Fix the cause and retry the delivery, or discard it."
	case inbox.Done:
		i.Tone, i.Explanation = page.Good, doneText(last)
		if d.Body != nil {
			i.Actions = []page.Action{rerun}
		}
	}
	return i
}

// deadLetterCause explains why an entry is a dead letter.
func deadLetterCause(last inbox.Attempt, attempts int) string {
	switch {
	case last.Reason == webhook.ReasonUndecodable:
		return "The body does not fit the Go type of the event."
	case last.Reason == webhook.ReasonPermanent:
		return "The callback returned a permanent error."
	case attempts == 1:
		return "The only attempt failed."
	default:
		return fmt.Sprintf("All %d attempts failed.", attempts)
	}
}

// doneText explains how an entry ended. A discarded entry keeps its attempts, and the last one was not a success. An entry that
// was handled at once has no attempts.
func doneText(last inbox.Attempt) string {
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
