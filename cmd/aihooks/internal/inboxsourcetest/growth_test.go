package inboxsourcetest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
	"github.com/aihooks/aihooks-go/internal/page"
)

// openForever opens an inbox that never purges entries.
func openForever(t testing.TB) *sqliteinbox.Inbox {
	t.Helper()
	box, err := sqliteinbox.Open(filepath.Join(t.TempDir(), "inbox.db"), &sqliteinbox.Options{
		MinFree: -1, Retention: sqliteinbox.Forever, BodyRetention: sqliteinbox.Forever, DeadLetterRetention: sqliteinbox.Forever, Policy: inbox.Policy{MaxAttempts: 1},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box
}

// fill adds n done entries, one second apart.
func fill(t testing.TB, box *sqliteinbox.Inbox, n int) {
	t.Helper()
	require.NoError(t, box.Transact(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?1)
			INSERT INTO aihooks_inbox (key, handler, type, delivery_id, received_at, state, due_at, takes, tried)
			SELECT randomblob(16), 'workflux/default', 'user.message', 'delivery ' || n, 1700000000000000000 + n * 1000000000, 4, 1700000000000 + n * 1000, 1, 1 FROM c`, n)
		return err
	}))
}

func TestList_ReadsBoundedPart(t *testing.T) {
	box := openForever(t)
	source := inboxsource.New(box, "inbox.db")
	store(t, box, "emberqa", "bad", 0, 1)
	run(t, box, &hook{vendor: "emberqa"}, func(s inbox.Stats) bool { return s.DeadLettered == 1 })
	fill(t, box, 11_000)
	for name, c := range map[string]struct {
		query    page.Query
		found    int
		requests int
	}{
		"no match":                         {page.Query{Text: "nothing has this"}, 0, 2},
		"no vendor":                        {page.Query{Vendor: "convosphere"}, 0, 2},
		"the oldest, by text":              {page.Query{Text: "CRM"}, 1, 2},
		"the oldest, by vendor":            {page.Query{Vendor: "emberqa"}, 1, 2},
		"the oldest, by verdict":           {page.Query{Verdict: "dead_lettered"}, 1, 1},
		"by verdict, none of that state":   {page.Query{Verdict: "deferred"}, 0, 1},
		"by verdict, no match":             {page.Query{Verdict: "done", Text: "nothing has this"}, 0, 2},
		"a verdict of another page":        {page.Query{Verdict: "handled"}, 0, 1},
		"the first of them, by its number": {page.Query{Verdict: "done", Text: "delivery 11000"}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			found, requests := 0, 0
			for c.query.Limit = 100; ; {
				l := list(t, source, c.query)
				found, requests = found+len(l.Items), requests+1
				require.Equal(t, l.Next == "", l.ReadUntil.IsZero())
				if c.query.Before = l.Next; c.query.Before == "" {
					break
				}
			}
			require.Equal(t, c.found, found)
			require.Equal(t, c.requests, requests, "each request reads 10,000 entries")
		})
	}
}

// BenchmarkSearch measures a search without a match, from the newest entry to the oldest.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{25_000, 100_000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			box := openForever(b)
			fill(b, box, n)
			source := inboxsource.New(box, "inbox.db")
			for b.Loop() {
				for q := (page.Query{Text: "nothing has this", Limit: 100}); ; {
					l, err := source.List(context.Background(), q)
					require.NoError(b, err)
					require.Empty(b, l.Items)
					if q.Before = l.Next; q.Before == "" {
						break
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}
