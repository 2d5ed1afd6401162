package inboxsource

import (
	"fmt"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

var (
	retry   = page.Action{Name: "retry", Label: "Retry"}
	discard = page.Action{Name: "discard", Label: "Discard", Confirm: "Discard this delivery? It is not run any more, and its body is deleted at once. This cannot be undone."}
	rerun   = page.Action{Name: "rerun", Label: "Run anew", Confirm: "Run this delivery under a key of its own? Its callback may run a second time, whatever it did the first time."}
)

// item says where an entry stands, and what can be done about it.
func item(e *inbox.Entry) page.Item {
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
		i.Explanation = "Stored, and waiting for its turn."
		if last.Outcome != "" {
			i.Tone, i.Explanation = page.Warn, "The last attempt did not succeed. It is tried again by itself."
		}
	case inbox.Running:
		i.Explanation = "A process is running its callback. If that process dies, it is tried again once the lease has ended."
	case inbox.Waiting:
		i.Tone, i.Actions = page.Warn, []page.Action{discard}
		i.Explanation = "No handler has a callback for this type. It is run as soon as one does."
	case inbox.Dead:
		i.Tone, i.Actions = page.Bad, []page.Action{retry, discard, rerun}
		i.Explanation = buried(last, len(e.Attempts)) + " It is not tried again by itself: retry it once the cause is mended, or discard it."
	case inbox.Done:
		i.Tone, i.Explanation = page.Good, done(last)
		if d.Body != nil {
			i.Actions = []page.Action{rerun}
		}
	}
	return i
}

// buried says why an entry is a dead letter.
func buried(last inbox.Attempt, attempts int) string {
	switch {
	case last.Reason == webhook.ReasonUndecodable:
		return "The body does not fit the type of the event."
	case last.Reason == webhook.ReasonPermanent:
		return "The callback said that trying again cannot help."
	case attempts == 1:
		return "The only attempt failed."
	default:
		return fmt.Sprintf("All %d attempts failed.", attempts)
	}
}

// done says how an entry ended. One that was discarded keeps the attempts that it had; one that was handled at once has none.
func done(last inbox.Attempt) string {
	switch last.Outcome {
	case "", webhook.Handled:
		return "Its callback has handled it."
	case webhook.Duplicate:
		return "It had been handled before."
	case webhook.Ignored:
		return "Its callback has ignored it."
	default:
		return "It was discarded."
	}
}
