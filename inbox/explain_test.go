package inbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestExplanation_SaysWhatToDo(t *testing.T) {
	attempt := func(o webhook.Outcome, r webhook.Reason) []inbox.Attempt {
		return []inbox.Attempt{{Outcome: o, Reason: r, Error: "text of the callback"}}
	}
	two := append(attempt(webhook.Failed, ""), attempt(webhook.Failed, "")...)
	for _, c := range []struct {
		state    inbox.State
		attempts []inbox.Attempt
		want     string
	}{
		{inbox.Pending, nil, "runs soon"},
		{inbox.Pending, attempt(webhook.Failed, ""), "tries again automatically"},
		{inbox.Running, nil, "is running"},
		{inbox.Deferred, nil, "No handler has a callback"},
		{inbox.Deferred, attempt(inbox.Paused, ""), "are paused"},
		{inbox.DeadLettered, attempt(webhook.DeadLettered, webhook.ReasonPermanent), "a permanent error. The service does not try again. Fix the cause"},
		{inbox.DeadLettered, attempt(webhook.DeadLettered, webhook.ReasonUndecodable), "does not fit the Go type"},
		{inbox.DeadLettered, attempt(inbox.Lost, ""), "The process was lost"},
		{inbox.DeadLettered, attempt(webhook.Failed, ""), "The only attempt failed"},
		{inbox.DeadLettered, two, "All 2 attempts failed"},
		{inbox.Done, nil, "handled the delivery"},
		{inbox.Done, attempt(webhook.Duplicate, ""), "had already been handled"},
		{inbox.Done, attempt(webhook.Ignored, ""), "ignored the delivery"},
		{inbox.Done, two, "was discarded"},
	} {
		got := (&inbox.Entry{State: c.state, Attempts: c.attempts}).Explanation()
		require.Contains(t, got, c.want)
		require.NotContains(t, got, "text of the callback")
	}
	require.Empty(t, (&inbox.Entry{State: "unknown"}).Explanation())
}
