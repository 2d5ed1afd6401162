package inboxsource

import (
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/page"
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
	i.Explanation = e.Explanation()
	switch e.State {
	case inbox.Pending:
		if last.Outcome != "" {
			i.Tone = page.Warn
		}
	case inbox.Running:
	case inbox.Deferred:
		i.Tone, i.Actions = page.Warn, []page.Action{discard}
	case inbox.DeadLettered:
		i.Tone, i.Actions = page.Bad, []page.Action{retry, discard, rerun}
	case inbox.Done:
		i.Tone = page.Good
		if d.Body != nil {
			i.Actions = []page.Action{rerun}
		}
	}
	return i
}
