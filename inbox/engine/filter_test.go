package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestAFilterThatSaysNothingIsRefused(t *testing.T) {
	require.ErrorIs(t, engine.CheckFilter(inbox.Filter{}), inbox.ErrEmptyFilter)
	elsewhere := time.FixedZone("", 3600)
	for _, zone := range []*time.Location{time.UTC, time.Local, elsewhere} {
		require.ErrorIs(t, engine.CheckFilter(inbox.Filter{From: time.Time{}.In(zone), Until: time.Time{}.In(zone)}), inbox.ErrEmptyFilter, "a zero time is zero in every zone")
	}
	now := time.Now()
	for _, f := range []inbox.Filter{
		{ID: "1"}, {Vendor: "acme"}, {Endpoint: "eu"}, {Type: "ping"}, {From: now}, {Until: now}, {All: true}, {Vendor: "acme", All: true},
		{Until: now, From: time.Time{}.In(elsewhere)},
	} {
		require.NoError(t, engine.CheckFilter(f))
	}
}

func TestAFilterSelectsThatForWhichAllHolds(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 59, 5, time.UTC)
	e := &inbox.Entry{ID: "1", Delivery: &webhook.Delivery{Vendor: "acme", Endpoint: "eu", Type: "ping", ReceivedAt: at}}
	elsewhere := time.FixedZone("", 7*3600)
	for _, f := range []inbox.Filter{
		{}, {All: true}, {ID: "1"}, {Vendor: "acme"}, {Endpoint: "eu"}, {Type: "ping"},
		{From: at}, {From: at.Add(-1)}, {Until: at.Add(1)}, {From: at.In(elsewhere)}, {From: at, Until: at.Add(1)},
		{ID: "1", Vendor: "acme", Endpoint: "eu", Type: "ping", From: at, Until: at.Add(1), All: true},
	} {
		require.True(t, engine.Matches(f, e), "%+v", f)
	}
	for _, f := range []inbox.Filter{
		{ID: "2"}, {ID: "11"}, {Vendor: "emca"}, {Vendor: "ACME"}, {Endpoint: "default"}, {Type: "pong"},
		{From: at.Add(1)}, {Until: at}, {Until: at.Add(-1)}, {Until: at.In(elsewhere)}, {From: at.Add(1), Until: at.Add(-1)},
		{ID: "1", Vendor: "emca"}, {Vendor: "acme", Type: "pong", All: true}, {ID: "2", All: true},
	} {
		require.False(t, engine.Matches(f, e), "%+v", f)
	}
}
