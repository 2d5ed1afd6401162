package sqliteinbox

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
)

// fillRows creates a file with n entries in a state, each with a type and a body of a size.
func fillRows(b testing.TB, path string, n, state int, eventType string, size int) {
	b.Helper()
	db, err := sql.Open("sqlite", source(path, makePragmas, pragmas)+"&_pragma=synchronous(OFF)")
	require.NoError(b, err)
	require.NoError(b, migrate(context.Background(), db))
	meta, err := encode(sample(0))
	require.NoError(b, err)
	for range (n + 9_999) / 10_000 {
		count := min(n, 10_000)
		n -= count
		tx, err := db.Begin()
		require.NoError(b, err)
		var last int
		require.NoError(b, tx.QueryRow(`SELECT coalesce(max(id), 0) FROM aihooks_inbox`).Scan(&last))
		_, err = tx.Exec(`WITH RECURSIVE c(n) AS (SELECT ?1 + 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?1 + ?2)
			INSERT INTO aihooks_inbox (id, key, handler, type, delivery_id, received_at, state, due_at, takes, tried)
			SELECT n, randomblob(16), 'workflux/default', ?3, lower(hex(randomblob(32))), (1000000000 + n) * 1000000000, ?4, 1000000000 + n, 1, 1 FROM c`,
			last, count, eventType, state)
		require.NoError(b, err)
		_, err = tx.Exec(`INSERT INTO aihooks_inbox_body SELECT id, ?2, zeroblob(?3) FROM aihooks_inbox WHERE id > ?1`, last, meta, size)
		require.NoError(b, err)
		require.NoError(b, tx.Commit())
	}
	require.NoError(b, db.Close())
}

// BenchmarkListing measures the allocations of a list of 100 entries, until its first entry and in total, by the size of
// the bodies.
func BenchmarkListing(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		path := filepath.Join(b.TempDir(), "inbox.db")
		fillRows(b, path, 100, deadLettered, "a", size)
		b.Run(fmt.Sprintf("body=%dKiB", size>>10), func(b *testing.B) {
			box := openForBenchmark(b, path)
			box.StopPurging() // it would purge the old entries
			var first, all uint64
			for b.Loop() {
				before := allocated()
				n := 0
				for _, err := range box.Entries(context.Background(), inbox.DeadLettered, inbox.Filter{All: true}) {
					require.NoError(b, err)
					if n++; n == 1 {
						first = allocated() - before
					}
				}
				require.Equal(b, 100, n)
				all = allocated() - before
			}
			b.ReportMetric(float64(first)/1024, "KiB-to-first")
			b.ReportMetric(float64(all)/1024, "KiB-in-all")
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// BenchmarkDiscard measures discarding the dead letters of one type, behind ten times as many of another.
func BenchmarkDiscard(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("others=%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				path := filepath.Join(b.TempDir(), "inbox.db")
				fillRows(b, path, n, deadLettered, "other", 100)
				fillRows(b, path, n/10, deadLettered, "a", 100)
				box := openForBenchmark(b, path)
				box.StopPurging() // it would purge the old entries
				b.StartTimer()
				done, err := box.Discard(context.Background(), inbox.Filter{Type: "a"})
				require.NoError(b, err)
				require.Equal(b, n/10, done)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n+n/10), "ns/entry")
		})
	}
}

// BenchmarkShrink measures how many deliveries 16 senders store per second, without and with shrinking.
func BenchmarkShrink(b *testing.B) {
	for _, size := range []int{128, 512} {
		b.Run(fmt.Sprintf("free=%dMiB", size), func(b *testing.B) {
			quiet, shrinking, given := 0.0, 0.0, 0.0
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "inbox.db")
				fillRows(b, path, size, done, "a", 1<<20)
				fillRows(b, path, 10*size, done, "a", 10<<10) // at the end of the file, so that they move
				deleteBodies(b, path, 1<<20)
				box := openForBenchmark(b, path)
				box.StopPurging()
				shrinking, given = storedPerSecond(b, box, box.shrink)
				quiet, _ = storedPerSecond(b, box, nil)
			}
			b.ReportMetric(quiet, "at-rest/s")
			b.ReportMetric(shrinking, "shrinking/s")
			b.ReportMetric(shrinking/quiet, "ratio")
			b.ReportMetric(given, "MiB-given-back/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// deleteBodies frees the pages of all bodies of a size.
func deleteBodies(t testing.TB, path string, size int) {
	t.Helper()
	db, err := sql.Open("sqlite", source(path, pragmas))
	require.NoError(t, err)
	_, err = db.Exec(`DELETE FROM aihooks_inbox_body WHERE length(body) = ?`, size)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// storedPerSecond measures 16 senders for 4 seconds, or until meanwhile returns because no pages are left.
func storedPerSecond(b *testing.B, box *Inbox, meanwhile func(context.Context) error) (stored, given float64) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	before := pagesOf(b, box)
	var n atomic.Int64
	var senders sync.WaitGroup
	began := time.Now()
	for range 16 {
		senders.Go(func() {
			given := sample(4096)
			for ctx.Err() == nil {
				d := *given
				d.Keys = []string{idempotency.NewToken().String()}
				if _, err := box.Enqueue(context.Background(), &d); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	if meanwhile != nil {
		for ctx.Err() == nil && pagesOf(b, box)[0] >= shrinkPages {
			if err := meanwhile(ctx); ctx.Err() == nil {
				require.NoError(b, err)
			}
		}
		cancel()
	}
	senders.Wait()
	took := time.Since(began).Seconds()
	return float64(n.Load()) / took, float64(before[1]-pagesOf(b, box)[1]) / 256 / took
}

// pagesOf returns the numbers of free pages and of all pages.
func pagesOf(t testing.TB, box *Inbox) (pages [2]int) {
	t.Helper()
	err := box.reads.QueryRow(`SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count`).Scan(&pages[0], &pages[1])
	require.NoError(t, err)
	return pages
}
