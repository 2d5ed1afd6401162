package inbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestFilter_MatchesWhenAllConditionsApply(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 5, time.UTC)
	e := &inbox.Entry{ID: "1", Delivery: &webhook.Delivery{Vendor: "acme", Endpoint: "eu", Type: "ping", ReceivedAt: at}}
	elsewhere := time.FixedZone("", 7*3600)
	for _, f := range []inbox.Filter{
		{}, {All: true}, {ID: "1"}, {Vendor: "acme"}, {Endpoint: "eu"}, {Type: "ping"},
		{From: at}, {From: at.Add(-1)}, {Until: at.Add(1)}, {From: at.In(elsewhere)}, {From: at, Until: at.Add(1)},
		{ID: "1", Vendor: "acme", Endpoint: "eu", Type: "ping", From: at, Until: at.Add(1), All: true},
	} {
		require.True(t, f.Matches(e), "%+v", f)
	}
	for _, f := range []inbox.Filter{
		{ID: "2"}, {ID: "11"}, {Vendor: "emca"}, {Vendor: "ACME"}, {Endpoint: "default"}, {Type: "pong"},
		{From: at.Add(1)}, {Until: at}, {Until: at.Add(-1)}, {Until: at.In(elsewhere)}, {From: at.Add(1), Until: at.Add(-1)},
		{ID: "1", Vendor: "emca"}, {Vendor: "acme", Type: "pong", All: true}, {ID: "2", All: true},
	} {
		require.False(t, f.Matches(e), "%+v", f)
	}
}

func TestFilter_MatchesText(t *testing.T) {
	e := &inbox.Entry{State: inbox.DeadLettered, Delivery: &webhook.Delivery{Endpoint: "tenant-1", Type: "user.message", ID: "msg_7F"}, Attempts: []inbox.Attempt{
		{Outcome: webhook.Failed, Reason: webhook.ReasonPanic, Error: "an old error"},
		{Outcome: webhook.Failed, Reason: webhook.ReasonOverrun, Error: "dial tcp 10.0.0.7: Connection refused"},
	}}
	for _, text := range []string{"", "msg_7", "MSG_7f", "r.MESS", "Tenant-", "connection REFUSED", "dial tcp 10.0.0.7: Connection refused", string(webhook.ReasonOverrun)} {
		require.True(t, (&inbox.Filter{Text: text}).Matches(e), text)
	}
	for _, text := range []string{"msg_8", "an old error", string(webhook.ReasonPanic), "dead_lettered", "%"} {
		require.False(t, (&inbox.Filter{Text: text}).Matches(e), text)
	}
	require.False(t, (&inbox.Filter{State: inbox.Pending}).Matches(e))
	require.True(t, (&inbox.Filter{State: inbox.DeadLettered, Text: "msg"}).Matches(e))
}
