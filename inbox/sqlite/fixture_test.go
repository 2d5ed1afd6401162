package sqliteinbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func pathOf(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir()) // as in error texts: on macOS and Windows TempDir can be an alias
	require.NoError(t, err)
	return filepath.Join(dir, "inbox.db")
}

// openBox opens an inbox. Unless the options set others, it has no log, a short backoff and a short poll.
func openBox(t testing.TB, path string, o sqliteinbox.Options) *sqliteinbox.Inbox {
	t.Helper()
	if o.Policy.Logger == nil {
		o.Policy.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Policy.Backoff == nil {
		o.Policy.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	if o.Poll == 0 {
		o.Poll = 20 * time.Millisecond
	}
	box, err := sqliteinbox.Open(path, &o)
	require.NoError(t, err)
	box.SetLockTimeout(kit.Patience) // on a busy machine, another inbox may keep the file locked for seconds
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// openRaw opens the file as another program would, with these pragmas.
func openRaw(t testing.TB, path string, pragmas ...string) *sql.DB {
	t.Helper()
	source := "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?_pragma=busy_timeout(60000)"
	for _, p := range pragmas {
		source += "&_pragma=" + p
	}
	db, err := sql.Open("sqlite", source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// emptyLog truncates the write-ahead log. It waits while purging reads or writes.
func emptyLog(t testing.TB, box *sqliteinbox.Inbox) {
	t.Helper()
	kit.Eventually(t, func() bool {
		emptied, err := box.TryEmptyLog(t.Context())
		require.NoError(t, err)
		return emptied
	})
}

func queryValue[T any](t testing.TB, db *sql.DB, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, db.QueryRow(query, args...).Scan(&v), query)
	return v
}

func mustExec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.Exec(statement, args...)
	require.NoError(t, err, statement)
}

const (
	ping = "ping"
	pong = "pong"
)

type callbacks = map[string]func(ctx context.Context, d *webhook.Delivery) webhook.Result

// A fakeHandler is a handler whose callbacks are functions of the test. Types without a callback are unhandled.
type fakeHandler struct {
	vendor, endpoint string
	mu               sync.Mutex
	seen             []string // the IDs of the deliveries that it was called with
	callbacks        callbacks
}

func newFakeHandler(callbacks callbacks) *fakeHandler {
	return &fakeHandler{vendor: "acme", endpoint: "default", callbacks: callbacks}
}

// handlerWithOutcome returns a handler that returns the outcome for every ping.
func handlerWithOutcome(outcome webhook.Outcome) *fakeHandler {
	return newFakeHandler(callbacks{
		ping: func(context.Context, *webhook.Delivery) webhook.Result {
			r := webhook.Result{Outcome: outcome}
			if outcome == webhook.Unavailable {
				r.Reason = webhook.ReasonShuttingDown
			}
			if outcome != webhook.Handled {
				r.Err = fmt.Errorf("on purpose: %s", outcome)
			}
			return r
		},
	})
}

func (s *fakeHandler) Vendor() string   { return s.vendor }
func (s *fakeHandler) Endpoint() string { return s.endpoint }

func (s *fakeHandler) Handles(eventType string) bool { return s.callbacks[eventType] != nil }

func (s *fakeHandler) Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result {
	callback := s.callbacks[d.Type]
	if callback == nil {
		return webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	}
	s.mu.Lock()
	s.seen = append(s.seen, d.ID)
	s.mu.Unlock()
	return callback(ctx, d)
}

func (s *fakeHandler) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.seen...)
}

// newDelivery returns a delivery for a fakeHandler.
func newDelivery(eventType, id string) *webhook.Delivery {
	d := inboxkit.NewDelivery("acme", eventType, id, []byte(`{"id":"`+id+`"}`))
	d.Header = http.Header{"Content-Type": {"application/json"}}
	return d
}

func store(t testing.TB, box *sqliteinbox.Inbox, deliveries ...*webhook.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		duplicate, err := box.Enqueue(t.Context(), d)
		require.NoError(t, err)
		require.False(t, duplicate, d.ID)
	}
}

// storeSoon stores a delivery once the inbox takes it. The inbox counts a change shortly after its commit.
func storeSoon(t testing.TB, box *sqliteinbox.Inbox, d *webhook.Delivery) {
	t.Helper()
	kit.Eventually(t, func() bool { _, err := box.Enqueue(t.Context(), d); return err == nil })
}

// storeAtOnce stores deliveries concurrently.
func storeAtOnce(t testing.TB, box *sqliteinbox.Inbox, deliveries ...*webhook.Delivery) {
	t.Helper()
	var storing sync.WaitGroup
	for _, d := range deliveries {
		storing.Go(func() {
			if duplicate, err := box.Enqueue(t.Context(), d); err != nil || duplicate {
				t.Errorf("%s: %t, %v", d.ID, duplicate, err)
			}
		})
	}
	storing.Wait()
}

func pings(prefix string, n int) []*webhook.Delivery {
	list := make([]*webhook.Delivery, n)
	for i := range list {
		list[i] = newDelivery(ping, fmt.Sprintf("%s%04d", prefix, i))
	}
	return list
}

func statsOf(t testing.TB, box *sqliteinbox.Inbox) inbox.Counts {
	t.Helper()
	stats, err := box.Stats(context.Background())
	require.NoError(t, err)
	return stats.Counts
}

func listed(t testing.TB, box *sqliteinbox.Inbox, s inbox.State, f inbox.Filter) []inbox.Entry {
	t.Helper()
	var list []inbox.Entry
	for e, err := range box.Entries(context.Background(), s, f) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

var all = inbox.Filter{All: true}

func namesOf(entries []inbox.Entry) []string {
	names := make([]string, len(entries))
	for i := range entries {
		names[i] = entries[i].Delivery.ID
	}
	return names
}
