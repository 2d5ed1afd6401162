//go:build unix

package riverinbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// openIdle returns an inbox whose client is not started, so that its jobs stay as the test makes them.
func openIdle(t *testing.T) (*riverinbox.Inbox, *pgxpool.Pool) {
	t.Helper()
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)
	box, client := newConfigured(t, pool)
	require.NoError(t, box.Migrate(t.Context()))
	require.NoError(t, box.Use(t.Context(), client))
	return box, pool
}

func mustExec(t testing.TB, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := pool.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
}

// enqueueAll stores the deliveries "0", "1" and so on.
func enqueueAll(t testing.TB, box *riverinbox.Inbox, n int) {
	t.Helper()
	for i := range n {
		_, err := box.Enqueue(t.Context(), newDelivery(strconv.Itoa(i), []byte("{}")))
		require.NoError(t, err)
	}
}

// listAll reads all pages of a query. It returns the deliveries' IDs, and the number of pages.
func listAll(t testing.TB, box *riverinbox.Inbox, q inbox.Query) (ids []string, pages int) {
	t.Helper()
	for {
		page, err := box.List(t.Context(), q)
		require.NoError(t, err)
		for _, e := range page.Entries {
			ids = append(ids, e.Delivery.ID)
		}
		pages++
		if q.Cursor = page.Next; page.Next == "" {
			return ids, pages
		}
	}
}

// otherJobs are between the deliveries' jobs: five in each of River's states.
const otherJobs = `INSERT INTO river_job (state, finalized_at, args, kind, queue, max_attempts)
	SELECT s, CASE WHEN s IN ('cancelled', 'completed', 'discarded') THEN now() END, '{"vendor": "convosphere"}', 'other', 'aihooksother', 3
	FROM unnest(enum_range(NULL::river_job_state)) s, generate_series(1, 5)`

func TestList_ReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	const n = 90
	for range 3 {
		enqueueAll(t, box, n) // only the first ones are new
		mustExec(t, pool, otherJobs)
	}
	mustExec(t, pool, `UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE kind <> 'other' AND args->>'id' IN ('3', '33', '63')`)
	var want []string
	for i := range n {
		want = append([]string{strconv.Itoa(i)}, want...)
	}
	dead := []string{"63", "33", "3"}
	for _, q := range []struct{ limit, atMost int }{{0, 10_000}, {7, 10_000}, {n, 10_000}, {0, 30}, {3, 7}, {1, 10_000}} {
		box.ListAtMost(q.atMost)
		for name, f := range map[string]struct {
			filter inbox.Filter
			want   []string
		}{
			"all":             {inbox.Filter{}, want},
			"vendor":          {inbox.Filter{Vendor: "convosphere"}, want},
			"endpoint":        {inbox.Filter{Vendor: "convosphere", Endpoint: "default"}, want},
			"type":            {inbox.Filter{Type: "conversation.ended"}, want},
			"another type":    {inbox.Filter{Type: "conversation.started"}, nil},
			"few of a state":  {inbox.Filter{State: inbox.DeadLettered}, dead},
			"many of a state": {inbox.Filter{State: inbox.Pending}, slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(dead, id) })},
			"none of a state": {inbox.Filter{State: inbox.Deferred}, nil},
			"text":            {inbox.Filter{Text: "8"}, slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !strings.Contains(id, "8") })},
			"state and text":  {inbox.Filter{State: inbox.DeadLettered, Text: "33"}, []string{"33"}},
			"no such queue":   {inbox.Filter{Vendor: "convosphere", Endpoint: "none"}, nil},
		} {
			ids, pages := listAll(t, box, inbox.Query{Filter: f.filter, Limit: q.limit})
			require.Equal(t, f.want, ids, "%s, %+v", name, q)
			if q.atMost == 30 && f.filter.State == inbox.DeadLettered {
				require.Equal(t, 1, pages, "an index finds a few entries")
			}
		}
	}
}

func TestList_HasRiversStates(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	enqueueAll(t, box, 13)
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	mustExec(t, pool, `UPDATE river_job SET state = 'running', attempt = 2, attempted_at = '2026-11-02 12:00:00Z' WHERE args->>'id' = '1'`)
	for i, state := range []string{"completed", "cancelled", "discarded", "retryable", "pending", "scheduled", "scheduled"} {
		_, err := pool.Exec(t.Context(), `UPDATE river_job SET state = $2::river_job_state, scheduled_at = $3,
			finalized_at = CASE WHEN $2 IN ('cancelled', 'completed', 'discarded') THEN '2026-11-02 12:00:00Z'::timestamptz END WHERE args->>'id' = $1::text`,
			strconv.Itoa(i+2), state, later)
		require.NoError(t, err)
	}
	mustExec(t, pool, `UPDATE river_job SET metadata = '{"output": {"attempts": [{"at": "2026-11-02T12:00:00Z", "outcome": "unhandled"}], "seen": 0, "deferred": true}}' WHERE args->>'id' = '8'`,
		`UPDATE river_job SET attempt = 3, metadata = '{"output": {"attempts": [{"at": "2026-11-02T12:00:00Z", "outcome": "failed", "counted": true}], "seen": 1}}' WHERE args->>'id' = '1'`)
	n, err := box.Discard(t.Context(), inbox.Filter{Text: "4"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	mustExec(t, pool, `UPDATE river_job SET args = args || '{"delivery": "no JSON"}' WHERE args->>'id' = '9'`,
		`UPDATE river_job SET metadata = '{"output": {"seen": "no number", "attempts": 3}}' WHERE args->>'id' = '10'`,
		`UPDATE river_job SET attempt = 1, attempted_at = '2026-11-02 12:00:00Z', errors = ARRAY['{"at": "2026-11-02T12:00:00Z", "attempt": 1, "error": "Stuck job rescued"}'::jsonb] WHERE args->>'id' = '11'`,
		`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now() WHERE args->>'id' = '12'`)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	got := make(map[string]inbox.Entry)
	for _, e := range page.Entries {
		got[e.Delivery.ID] = e
		listed, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{ID: e.ID, State: e.State}})
		require.NoError(t, err)
		require.Equal(t, []inbox.Entry{e}, listed.Entries)
		full, err := box.Entry(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, e.Delivery.ID != "4", full.Delivery.Body != nil, "only a discarded delivery has no body")
		require.Equal(t, full.Delivery.Body == nil, e.Delivery.Body == nil)
		full.Delivery = e.Delivery
		require.Equal(t, e, full)
	}
	states := make(map[string]inbox.State)
	for id, e := range got {
		states[id] = e.State
		require.Equal(t, e.State == inbox.Pending || e.State == inbox.Running, !e.Due.IsZero(), id)
		require.Equal(t, e.State == inbox.Done || e.State == inbox.DeadLettered, !e.Since.IsZero(), id)
		require.WithinDuration(t, time.Now(), e.Delivery.ReceivedAt, time.Minute, id)
	}
	require.Equal(t, map[string]inbox.State{
		"0": inbox.Pending, "1": inbox.Running, "2": inbox.Done, "3": inbox.DeadLettered, "4": inbox.Done, "5": inbox.Pending, "6": inbox.Pending,
		"7": inbox.Pending, "8": inbox.Deferred, "9": inbox.Pending, "10": inbox.Pending, "11": inbox.Pending, "12": inbox.Running,
	}, states)
	noon := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	require.Equal(t, noon.Add(riverinbox.DefaultLease), got["1"].Due)
	require.Equal(t, later, got["7"].Due)
	require.Equal(t, noon, got["3"].Since)
	require.Equal(t, []webhook.Outcome{"failed", inbox.Lost}, outcomesOf(got["1"]), "the attempt that runs is not in the history")
	require.Empty(t, got["12"].Attempts)
	require.Equal(t, []webhook.Outcome{"unhandled"}, outcomesOf(got["8"]))
	require.Equal(t, "Stuck job rescued", got["11"].Attempts[0].Error)
	require.Equal(t, "4", page.Entries[0].Delivery.ID, "discarding inserts a new job")
	for state, want := range map[inbox.State][]string{
		inbox.Done: {"4", "2"}, inbox.DeadLettered: {"3"}, inbox.Running: {"12", "1"}, inbox.Deferred: {"8"}, inbox.Pending: {"11", "10", "9", "7", "6", "5", "0"},
	} {
		for _, atMost := range []int{10_000, 1} { // by the index, and in the order of the jobs
			box.ListAtMost(atMost)
			ids, _ := listAll(t, box, inbox.Query{Filter: inbox.Filter{State: state}})
			require.Equal(t, want, ids, state)
			ids, _ = listAll(t, box, inbox.Query{Filter: inbox.Filter{State: state, Vendor: "convosphere", Endpoint: "default"}})
			require.Equal(t, want, ids, state)
		}
	}
}

func outcomesOf(e inbox.Entry) (outcomes []webhook.Outcome) {
	for _, a := range e.Attempts {
		outcomes = append(outcomes, a.Outcome)
	}
	return outcomes
}

// A counted connection adds up the bytes that it receives.
type counted struct {
	net.Conn
	received *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func TestList_SendsNoBodies(t *testing.T) {
	t.Parallel()
	service, writing := openIdle(t)
	body := make([]byte, 1<<20)
	_, _ = rand.Read(body)
	const n = 20
	for i := range n {
		_, err := service.Enqueue(t.Context(), newDelivery(fmt.Sprint(i), body))
		require.NoError(t, err)
	}
	config := writing.Config().Copy()
	var received atomic.Int64
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return counted{conn, &received}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	box, err := riverinbox.Attach(t.Context(), pool, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	for _, f := range []inbox.Filter{{}, {State: inbox.Pending}, {Vendor: "convosphere", Endpoint: "default"}, {Text: "CONVERSATION"}} {
		page, err := box.List(t.Context(), inbox.Query{Filter: f})
		require.NoError(t, err)
		require.Len(t, page.Entries, n)
	}
	require.Less(t, received.Load(), int64(200<<10), "a body has 1 MiB")
	page, err := box.List(t.Context(), inbox.Query{Limit: 1})
	require.NoError(t, err)
	e, err := box.Entry(t.Context(), page.Entries[0].ID)
	require.NoError(t, err)
	require.True(t, bytes.Equal(body, e.Delivery.Body))
	require.Greater(t, received.Load(), int64(len(body)), "the connection counts bytes")
}

func TestList_ReportsHowFarItRead(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	enqueueAll(t, box, 10)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.Zero(t, page.ReadUntil)
	mustExec(t, pool, `UPDATE river_job SET created_at = '2026-11-02 12:00:00Z'::timestamptz + (args->>'id')::int * interval '1 minute'`)
	box.ListAtMost(4)
	page, err = box.List(t.Context(), inbox.Query{Filter: inbox.Filter{Text: "no such text"}})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	require.Equal(t, time.Date(2026, 11, 2, 12, 6, 0, 0, time.UTC), page.ReadUntil)
	page, err = box.List(t.Context(), inbox.Query{Limit: 2})
	require.NoError(t, err)
	require.Zero(t, page.ReadUntil)
}

func TestList_RefusesInvalidQueries(t *testing.T) {
	t.Parallel()
	box, _ := openIdle(t)
	for text, q := range map[string]inbox.Query{
		`riverinbox: inbox: Query.Cursor must be empty, or the Next of a Page of this inbox`: {Cursor: "x"},
		`riverinbox: inbox: Filter.State ("gone") must be empty or a State of package inbox`: {Filter: inbox.Filter{State: "gone"}},
		`riverinbox: inbox: Query.Limit (1001) must be from 0 to 1000`:                       {Limit: 1001},
	} {
		_, err := box.List(t.Context(), q)
		require.EqualError(t, err, text)
	}
}

func TestEntry_FindsOnlyDeliveries(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	enqueueAll(t, box, 1)
	mustExec(t, pool, otherJobs)
	for _, id := range []string{query[string](t, pool, `SELECT min(id)::text FROM river_job WHERE kind = 'other'`), "0", "-1", "123456", "x", ""} {
		_, err := box.Entry(t.Context(), id)
		require.ErrorIs(t, err, inbox.ErrNotFound, id)
		page, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{ID: id, Vendor: "convosphere"}})
		require.NoError(t, err)
		if id != "" { // an empty ID selects all
			require.Empty(t, page.Entries, id)
		}
	}
}

func TestDiscard_KeepsTimeOfReceipt(t *testing.T) {
	t.Parallel()
	box, pool := openIdle(t)
	d := newDelivery("a", []byte("{}"))
	d.ReceivedAt = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	_, err := box.Enqueue(t.Context(), d)
	require.NoError(t, err)
	mustExec(t, pool, `UPDATE river_job SET state = 'cancelled', finalized_at = now()`)
	_, err = box.Discard(t.Context(), inbox.Filter{All: true})
	require.NoError(t, err)
	page, err := box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.Equal(t, d.ReceivedAt, page.Entries[0].Delivery.ReceivedAt)
	mustExec(t, pool, `UPDATE river_job SET args = args - 'received_at'`) // a job of an older version
	page, err = box.List(t.Context(), inbox.Query{})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), page.Entries[0].Delivery.ReceivedAt, time.Minute)
}
