package sqliteinbox

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

// openRows opens an inbox that purges only when the test requests it.
func openRows(t *testing.T, path string, o Options) *Inbox {
	t.Helper()
	box, err := Open(path, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	box.StopPurging()
	return box
}

// planOf returns SQLite's query plan.
func planOf(t *testing.T, box *Inbox, query string, args ...any) string {
	t.Helper()
	rows, err := box.reads.Query("EXPLAIN QUERY PLAN "+query, args...)
	require.NoError(t, err)
	var steps []string
	require.NoError(t, eachRow(rows, func(scan func(...any) error) error {
		var id, parent, unused int
		var step string
		err := scan(&id, &parent, &unused, &step)
		steps = append(steps, step)
		return err
	}))
	return strings.Join(steps, "\n")
}

func TestEntries_ContinueByIndex(t *testing.T) {
	t.Parallel()
	box := openRows(t, filepath.Join(t.TempDir(), "inbox.db"), Options{})
	for code := range stateNames {
		for _, f := range []inbox.Filter{
			{All: true}, {Vendor: "acme"}, {Endpoint: "eu"}, {Type: "a"}, {Vendor: "acme", Endpoint: "eu", Type: "a"}, {From: time.Unix(1, 0), Until: time.Unix(2, 0)},
		} {
			for _, last := range []*row{nil, {id: 1, dueAt: 2, handler: "acme/eu"}} {
				query, args := listing(code, f, last)
				plan := planOf(t, box, query, args...)
				require.NotContains(t, plan, "TEMP B-TREE", "%d %+v: every page would sort all later entries", code, f)
				want := "aihooks_inbox_due (state=? AND (handler,due_at)>(?,?)"
				if code == deadLettered || code == deferred {
					want = "aihooks_inbox_kept (state=? AND due_at>?"
				}
				require.Contains(t, plan, want, "%d %+v: every page would read all earlier entries", code, f)
			}
		}
		query, args := listing(code, inbox.Filter{ID: "1", Type: "a"}, nil)
		require.Contains(t, planOf(t, box, query, args...), "SEARCH e USING INTEGER PRIMARY KEY")
	}
}

func TestDiscard_ReadsEachOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	fillRows(t, path, 2500, deadLettered, "other", 10)
	fillRows(t, path, 10, deadLettered, "a", 10)
	box := openRows(t, path, Options{DeadLetterRetention: Forever})
	for name, c := range map[string]struct {
		filter   inbox.Filter
		selected int
	}{
		"all":                {inbox.Filter{All: true}, 2510},
		"the last, by type":  {inbox.Filter{Type: "a"}, 10},
		"none, by type":      {inbox.Filter{Type: "b"}, 0},
		"none, by vendor":    {inbox.Filter{Vendor: "acme"}, 0},
		"none, by endpoint":  {inbox.Filter{Endpoint: "eu"}, 0},
		"the last, by time":  {inbox.Filter{From: time.Unix(1_000_000_000+2501, 0)}, 10},
		"the first, by time": {inbox.Filter{Until: time.Unix(1_000_000_000+11, 0)}, 10},
	} {
		until, queries, seen := milliseconds(time.Now()), 0, make(map[int64]bool)
		for last := (candidate{}); ; queries++ {
			selected, end, err := box.selectCandidates(t.Context(), deadLettered, c.filter, until, last)
			require.NoError(t, err)
			require.LessOrEqual(t, len(selected), selectAtOnce)
			for _, e := range selected {
				require.False(t, seen[e.id], name)
				seen[e.id] = true
			}
			if end == nil {
				break
			}
			require.Equal(t, last.id+selectAtOnce, end.id, "%s: the next query begins after the last entry read", name)
			last = *end
		}
		require.Len(t, seen, c.selected, name)
		require.Equal(t, 2, queries, name)
	}
	done, err := box.Discard(t.Context(), inbox.Filter{Type: "a"})
	require.NoError(t, err)
	require.Equal(t, 10, done)
}

func TestDiscard_SelectsWithoutWriteLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	fillRows(t, path, 1200, deadLettered, "other", 10)
	box := openRows(t, path, Options{DeadLetterRetention: Forever})
	db, err := sql.Open("sqlite", source(path, pragmas))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	tx, err := db.Begin() // immediate: it locks the file
	require.NoError(t, err)
	for name, operation := range map[string]func(context.Context, inbox.Filter) (int, error){"Discard": box.Discard, "Retry": box.Retry, "Rerun": box.Rerun} {
		n, err := operation(t.Context(), inbox.Filter{Type: "a"})
		require.NoError(t, err, name)
		require.Zero(t, n, name)
		n, err = operation(t.Context(), inbox.Filter{ID: "7", Type: "a"})
		require.ErrorIs(t, err, inbox.ErrNotFound, name)
		require.Zero(t, n, name)
	}
	require.NoError(t, tx.Rollback())
}

func TestDiscard_RefusesThoughNothingMatches(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	box, err := Open(path, nil)
	require.NoError(t, err)
	none := inbox.Filter{Type: "none"}
	require.NoError(t, box.Transact(t.Context(), func(ctx context.Context, _ *sql.Tx) error {
		_, err := box.Discard(ctx, none)
		require.ErrorContains(t, err, "inside Transact")
		return nil
	}))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = box.Discard(ended, none)
	require.ErrorIs(t, err, context.Canceled)
	box.writer.readOnly = true
	_, err = box.Discard(t.Context(), none)
	require.ErrorIs(t, err, ErrReadOnly)
	box.writer.readOnly = false
	require.NoError(t, box.Close())
	_, err = box.Discard(t.Context(), none)
	require.ErrorIs(t, err, ErrClosed)
}

func TestDiscard_LeavesWhatHasChanged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	fillRows(t, path, 3, deadLettered, "a", 10)
	box := openRows(t, path, Options{DeadLetterRetention: Forever})
	selected, _, err := box.selectCandidates(t.Context(), deadLettered, inbox.Filter{All: true}, milliseconds(time.Now()), candidate{})
	require.NoError(t, err)
	require.Len(t, selected, 3)
	_, err = box.db.Exec(`UPDATE aihooks_inbox SET state = 0 WHERE id = 1`)
	require.NoError(t, err)
	_, err = box.db.Exec(`UPDATE aihooks_inbox SET due_at = due_at + 1 WHERE id = 2`) // simulates one that ran and is a dead letter again
	require.NoError(t, err)
	n, err := box.changeSome(t.Context(), deadLettered, selected, []string{discardEntry, deleteBodyOf})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Counts{Pending: 1, DeadLettered: 1, Done: 1}, stats.Counts)
}

func TestDiscard_BoundsOneWrite(t *testing.T) {
	for name, c := range map[string]struct{ sizes, want []int }{
		"none":            {nil, nil},
		"rows":            {make([]int, 450), []int{200, 200, 50}},
		"large ones":      {[]int{bytesAtOnce + 1, bytesAtOnce, 8 << 20}, []int{1, 1, 1}},
		"small and large": {[]int{1, 1, bytesAtOnce, 1, bytesAtOnce - 1, 1}, []int{2, 1, 2, 1}},
	} {
		all := make([]candidate, len(c.sizes))
		for i, size := range c.sizes {
			all[i].size = size
		}
		var got []int
		for some := range inBatches(all) {
			got = append(got, len(some))
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestPurge_BoundsOneWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	fillRows(t, path, 5, done, "a", bytesAtOnce/2)
	fillRows(t, path, 2, done, "a", 2*bytesAtOnce)
	fillRows(t, path, 450, done, "a", 10)
	box := openRows(t, path, Options{})
	var steps []int
	for more := true; more; {
		var n int
		var err error
		n, more, err = box.applyRuleOnce(t.Context(), &box.options.retentionRules()[1], "workflux/default", time.Now())
		require.NoError(t, err)
		steps = append(steps, n)
	}
	require.Equal(t, 457, sum(steps))
	require.LessOrEqual(t, len(steps), 9)
	for _, n := range steps {
		require.LessOrEqual(t, n, purgeAtOnce, fmt.Sprint(steps))
	}
	require.LessOrEqual(t, steps[0], purgeAtOnce-4, "two of half a MiB, and no larger one")
}

func sum(list []int) (n int) {
	for _, i := range list {
		n += i
	}
	return n
}

func TestShrink_BoundsOneWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	fillRows(t, path, 18, done, "a", 1<<20)
	fillRows(t, path, 100, done, "a", 10<<10) // at the end of the file, so that they move
	deleteBodies(t, path, 1<<20)
	box := openRows(t, path, Options{Retention: Forever, BodyRetention: Forever})
	before := pagesOf(t, box)
	require.NoError(t, box.shrinkSome(t.Context()))
	after := pagesOf(t, box)
	require.Greater(t, before[1], after[1])
	require.LessOrEqual(t, before[1]-after[1], 70, "SQLite may free a page in addition")
	for pagesOf(t, box)[0] >= shrinkPages {
		require.NoError(t, box.shrink(t.Context()))
	}
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 118, stats.Done)
}

func TestShrink_TakesShareOfTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	box := openRows(t, path, Options{})
	box.space.free.Store(DefaultMinFree)
	require.Equal(t, purgePause, box.restAfter(0))
	require.Equal(t, 4*time.Second, box.restAfter(time.Second), "senders have four fifths of the time")
	box.space.free.Store(DefaultMinFree - 1)
	require.Equal(t, purgePause, box.restAfter(time.Second), "senders are refused meanwhile")
}
