package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

func TestFilter_RefusesEmpty(t *testing.T) {
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
