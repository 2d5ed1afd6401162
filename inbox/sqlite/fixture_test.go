package sqliteinbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
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
	soon(t, func() bool {
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

// patience is how long a test waits for an expected event, even on a busy machine. After that, something hangs.
const patience = 2 * time.Minute

func soon(t testing.TB, condition func() bool, text ...any) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, text...)
}

// quick requires that f takes less than d at least once. A busy machine delays some calls; a wait in the code delays all.
func quick(t testing.TB, d time.Duration, f func()) {
	t.Helper()
	for range 5 {
		began := time.Now()
		f()
		if time.Since(began) < d {
			return
		}
	}
	require.Failf(t, "too slow", "it took %v or longer each time", d)
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
	return &webhook.Delivery{
		Vendor: "acme", Endpoint: "default", Type: eventType, ID: id, Keys: []string{"acme/default/" + id},
		ReceivedAt: time.Now().UTC().Truncate(time.Millisecond), Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(`{"id":"` + id + `"}`),
	}
}

func store(t testing.TB, box *sqliteinbox.Inbox, deliveries ...*webhook.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		duplicate, err := box.Enqueue(t.Context(), d)
		for n := 0; n < 10 && err != nil && strings.Contains(err.Error(), "has had the file locked"); n++ { // on a slow disk
			duplicate, err = box.Enqueue(t.Context(), d)
		}
		require.NoError(t, err)
		require.False(t, duplicate, d.ID)
	}
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

// start runs the inbox until the test ends, or until stop is called.
func start(t testing.TB, box *sqliteinbox.Inbox, hooks ...inbox.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, hooks...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

func statsOf(t testing.TB, box *sqliteinbox.Inbox) sqliteinbox.Counts {
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

// A harness is a WorkFlux handler with an inbox, and a sender for it.
type harness struct {
	*workflux.Handler
	log    *logtest.LogBuffer
	sender *webhooktest.Sender

	mu   sync.Mutex
	seen []webhook.Observation
}

func newHarness(t testing.TB, box *sqliteinbox.Inbox, o webhook.Options) *harness {
	t.Helper()
	d := &harness{log: new(logtest.LogBuffer)}
	o.Inbox, o.Logger, o.Observer = box, d.log.Text(), d.observe
	if o.StoreTimeout == 0 {
		o.StoreTimeout = storeTimeout // so that a busy machine does not count as a store that is down
	}
	hook, err := workflux.NewHandler("a secret", &o)
	require.NoError(t, err)
	d.Handler, d.sender = hook, workfluxtest.NewSender(t, hook, "a secret")
	return d
}

func (d *harness) observe(_ context.Context, o webhook.Observation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, o)
}

// last returns the last observation.
func (d *harness) last() webhook.Observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[len(d.seen)-1]
}

// messageBody returns a body of about n bytes. Bodies with different names are different deliveries.
func messageBody(name string, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":{"message_id":%q,"text":"%s"}}`,
		time.Now().UTC().Format(time.RFC3339), name, strings.Repeat("x", n))
}

// post sends a body as WorkFlux does.
func (d *harness) post(body []byte) webhooktest.Response { return d.sender.Send(d.sender.Raw(body)) }

const storeTimeout = 4 * time.Second

// expectStatus posts a body and requires the status of the response. If a busy machine has not stored it in time, it
// posts it again, as the vendor does.
func (d *harness) expectStatus(t testing.TB, status int, body []byte) {
	t.Helper()
	response := d.post(body)
	for range 20 {
		if status != http.StatusOK || response.Status == status || response.Took < storeTimeout-time.Second {
			break
		}
		response = d.post(body)
	}
	require.Equal(t, status, response.Status, "%s\n%s", response.Body, d.log)
}

// A counter counts by name.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	c.n[name]++
	return c.n[name]
}

func (c *counter) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

// messages registers a callback for the deliveries of messageBody. It gets their names.
func (d *harness) messages(f func(ctx context.Context, name string) error) {
	d.OnUserMessage(func(ctx context.Context, e *workflux.UserMessage) error { return f(ctx, e.MessageID) })
}
