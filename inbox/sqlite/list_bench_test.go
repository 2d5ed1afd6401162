package sqliteinbox

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

// BenchmarkList measures the first page of a list among 100,000 deliveries, and SQLite's own query of as many rows.
func BenchmarkList(b *testing.B) {
	path := filepath.Join(b.TempDir(), "inbox.db")
	fillRows(b, path, 50, deadLettered, "dead", 1024) // the oldest
	fillRows(b, path, 100_000, done, "done", 1024)
	box, err := Open(path, &Options{Retention: Forever, BodyRetention: Forever, DeadLetterRetention: Forever})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, box.Close()) })
	for _, c := range []struct {
		name  string
		query inbox.Query
		rows  int
		floor string
	}{
		{"newest", inbox.Query{}, 100, `SELECT * FROM aihooks_inbox ORDER BY id DESC LIMIT 100`},
		{"rare state", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}}, 50, `SELECT * FROM aihooks_inbox WHERE state = 3 ORDER BY id DESC LIMIT 100`},
		{"no such text", inbox.Query{Filter: inbox.Filter{Text: "no such text"}}, 0, `SELECT * FROM aihooks_inbox ORDER BY id DESC LIMIT 10000`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ours, floor time.Duration
			for b.Loop() {
				began := time.Now()
				page, err := box.List(b.Context(), c.query)
				require.NoError(b, err)
				require.Len(b, page.Entries, c.rows)
				ours += time.Since(began)
				began = time.Now()
				rows, err := box.reads.Query(c.floor)
				require.NoError(b, err)
				require.NoError(b, eachRow(rows, func(func(...any) error) error { return nil }))
				floor += time.Since(began)
			}
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "ours-ms")
			b.ReportMetric(float64(floor.Microseconds())/float64(b.N)/1000, "floor-ms")
		})
	}
}
