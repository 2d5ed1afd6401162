package sqlite_test

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
	"github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func pathOf(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir()) // as errors show it: on macOS and Windows TempDir can be an alias
	require.NoError(t, err)
	return filepath.Join(dir, "inbox.db")
}

// openBox opens an inbox that logs nowhere, unless the options say so, and tries again at once.
func openBox(t testing.TB, path string, o sqlite.Options) *sqlite.Inbox {
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
	box, err := sqlite.Open(path, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// openRaw opens the file as another program would, with the settings given as pragmas.
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

// emptyLog truncates the write-ahead log once the housekeeping, too, neither reads nor writes.
func emptyLog(t testing.TB, box *sqlite.Inbox) {
	t.Helper()
	soon(t, func() bool {
		emptied, err := box.TryEmptyLog(t.Context())
		require.NoError(t, err)
		return emptied
	})
}

func ask[T any](t testing.TB, db *sql.DB, query string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, db.QueryRow(query, args...).Scan(&v), query)
	return v
}

func tell(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.Exec(statement, args...)
	require.NoError(t, err, statement)
}

// lockTimeout is how long a test waits for what must happen: what takes longer hangs, also on a machine that is busy.
const lockTimeout = 2 * time.Minute

func soon(t testing.TB, condition func() bool, text ...any) {
	t.Helper()
	require.Eventually(t, condition, lockTimeout, 10*time.Millisecond, text...)
}

// quick requires that f takes less than d at least once. A machine that is busy delays some calls; a wait in the code
// delays them all.
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

// A stub is a handler whose callbacks are functions of the test; those that it has none for are unhandled.
type stub struct {
	vendor, endpoint string
	mu               sync.Mutex
	seen             []string // what it was called with
	callbacks        callbacks
}

func newStub(callbacks callbacks) *stub {
	return &stub{vendor: "acme", endpoint: "default", callbacks: callbacks}
}

// answering is a stub that answers every ping in the same way.
func answering(outcome webhook.Outcome) *stub {
	return newStub(callbacks{
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

func (s *stub) Vendor() string   { return s.vendor }
func (s *stub) Endpoint() string { return s.endpoint }

func (s *stub) Handles(eventType string) bool { return s.callbacks[eventType] != nil }

func (s *stub) Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result {
	callback := s.callbacks[d.Type]
	if callback == nil {
		return webhook.Result{Outcome: webhook.Unhandled, Reason: webhook.ReasonNoCallback}
	}
	s.mu.Lock()
	s.seen = append(s.seen, d.ID)
	s.mu.Unlock()
	return callback(ctx, d)
}

func (s *stub) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.seen...)
}

// parcel is a delivery for a stub.
func parcel(eventType, id string) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: "acme", Endpoint: "default", Type: eventType, ID: id, Keys: []string{"acme/default/" + id},
		ReceivedAt: time.Now().UTC().Truncate(time.Millisecond), Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(`{"id":"` + id + `"}`),
	}
}

func store(t testing.TB, box *sqlite.Inbox, deliveries ...*webhook.Delivery) {
	t.Helper()
	for _, d := range deliveries {
		duplicate, err := box.Enqueue(t.Context(), d)
		for n := 0; n < 10 && err != nil && strings.Contains(err.Error(), "has had the file locked"); n++ { // the disk is slow
			duplicate, err = box.Enqueue(t.Context(), d)
		}
		require.NoError(t, err)
		require.False(t, duplicate, d.ID)
	}
}

// storeAtOnce stores many, in no order.
func storeAtOnce(t testing.TB, box *sqlite.Inbox, deliveries ...*webhook.Delivery) {
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
		list[i] = parcel(ping, fmt.Sprintf("%s%04d", prefix, i))
	}
	return list
}

// start has the inbox run until the test ends, or until what it returns is called.
func start(t testing.TB, box *sqlite.Inbox, hooks ...inbox.Handler) (stop func()) {
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

func statsOf(t testing.TB, box *sqlite.Inbox) sqlite.Counts {
	t.Helper()
	stats, err := box.Stats(context.Background())
	require.NoError(t, err)
	return stats.Counts
}

func listed(t testing.TB, box *sqlite.Inbox, s inbox.State, f inbox.Filter) []inbox.Entry {
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

// A desk is a WorkFlux handler before an inbox, and whoever sends to it.
type desk struct {
	*workflux.Handler
	log    *logtest.Book
	sender *webhooktest.Sender

	mu   sync.Mutex
	seen []webhook.Observation
}

func newDesk(t testing.TB, box *sqlite.Inbox, o webhook.Options) *desk {
	t.Helper()
	d := &desk{log: new(logtest.Book)}
	o.Inbox, o.Logger, o.Observer = box, d.log.Text(), d.observe
	if o.StoreTimeout == 0 {
		o.StoreTimeout = storeTimeout // a machine that is busy is no file that cannot be written
	}
	hook, err := workflux.NewHandler("a secret", &o)
	require.NoError(t, err)
	d.Handler, d.sender = hook, workfluxtest.NewSender(t, hook, "a secret")
	return d
}

func (d *desk) observe(_ context.Context, o webhook.Observation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, o)
}

// last returns the last observation.
func (d *desk) last() webhook.Observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[len(d.seen)-1]
}

// letter is the body of a delivery of about n bytes; letters of different names are different deliveries.
func letter(name string, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":{"message_id":%q,"text":"%s"}}`,
		time.Now().UTC().Format(time.RFC3339), name, strings.Repeat("x", n))
}

// post sends a body as WorkFlux does.
func (d *desk) post(body []byte) webhooktest.Answer { return d.sender.Send(d.sender.Raw(body)) }

const storeTimeout = 4 * time.Second

// is posts a body that must be answered with the status. What a machine that is busy has not stored in time is posted again,
// as its vendor does.
func (d *desk) is(t testing.TB, status int, body []byte) {
	t.Helper()
	answer := d.post(body)
	for range 20 {
		if status != http.StatusOK || answer.Status == status || answer.Took < storeTimeout-time.Second {
			break
		}
		answer = d.post(body)
	}
	require.Equal(t, status, answer.Status, "%s\n%s", answer.Body, d.log)
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

// messages registers a callback for what letter makes, which is given the names.
func (d *desk) messages(f func(ctx context.Context, name string) error) {
	d.OnUserMessage(func(ctx context.Context, e *workflux.UserMessage) error { return f(ctx, e.MessageID) })
}
