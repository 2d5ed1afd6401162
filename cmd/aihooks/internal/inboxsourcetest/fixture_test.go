package inboxsourcetest

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

// open opens an inbox in a new file. Deliveries have two attempts.
func open(t *testing.T) *sqliteinbox.Inbox {
	t.Helper()
	box, err := sqliteinbox.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqliteinbox.Options{
		MinFree: -1, Policy: inbox.Policy{MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// store stores n deliveries. Each was received a second after the one before.
func store(t *testing.T, box *sqliteinbox.Inbox, vendor, eventType string, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		id := vendor + "-" + eventType + "-" + strconv.Itoa(i)
		duplicate, err := box.Enqueue(t.Context(), &webhook.Delivery{
			Vendor: vendor, Endpoint: "default", Type: eventType, ID: id, Keys: []string{id}, ReceivedAt: start.Add(time.Duration(i) * time.Second),
			Header: http.Header{"X-Request-Id": {"req_1"}}, Body: []byte(`{"type":"` + eventType + `"}`), SignedBy: "default", EventID: "evt_" + strconv.Itoa(i),
		})
		require.NoError(t, err)
		require.False(t, duplicate)
	}
}

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A hook handles the deliveries of a vendor. Those of type "bad" fail until fixed is set.
type hook struct {
	vendor string
	fixed  atomic.Bool
}

func (h *hook) Vendor() string                { return h.vendor }
func (h *hook) Endpoint() string              { return "default" }
func (h *hook) Handles(eventType string) bool { return eventType != "unknown" }

func (h *hook) Redeliver(_ context.Context, d *webhook.Delivery) webhook.Result {
	switch {
	case d.Type == "bad" && !h.fixed.Load():
		return webhook.Result{Outcome: webhook.Failed, Err: errors.New("the CRM is down")}
	case d.Type == "unknown":
		return webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	default:
		return webhook.Result{Outcome: webhook.Handled}
	}
}

// run runs the inbox with a hook until a condition is true.
func run(t *testing.T, box *sqliteinbox.Inbox, h *hook, until func(inbox.Stats) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, h) }()
	require.Eventually(t, func() bool {
		stats, err := box.Stats(ctx)
		return err == nil && until(stats)
	}, time.Minute, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

func list(t *testing.T, s page.Source, q page.Query) page.List {
	t.Helper()
	l, err := s.List(t.Context(), q)
	require.NoError(t, err)
	return l
}

func deliveries(l page.List) []string {
	var all []string
	for _, i := range l.Items {
		all = append(all, i.Delivery)
	}
	return all
}
