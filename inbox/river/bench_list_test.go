//go:build unix

package riverinbox_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
)

// fill stores n jobs with a body of 4 KiB that cannot be compressed. The oldest 50 are dead letters, and the others are
// completed.
func fill(b *testing.B, opened *bench, n int) {
	b.Helper()
	body := make([]byte, 4096)
	_, _ = rand.Read(body)
	_, err := opened.box.Enqueue(b.Context(), newDelivery("first", body))
	require.NoError(b, err)
	for _, statement := range []string{
		`DROP INDEX river_job_args_index`, // makes filling faster; no list uses it
		`UPDATE river_job SET state = 'cancelled', finalized_at = now(), metadata = '{"output": {"attempts": [{"at": "2026-11-02T03:04:05Z", "outcome": "failed", "error": "dial tcp: connection refused", "counted": true, "took_ms": 3}], "tried": 1, "seen": 1}}'`,
		fmt.Sprintf(`INSERT INTO river_job (state, finalized_at, attempt, max_attempts, args, kind, metadata, queue, created_at)
			SELECT CASE WHEN n <= 50 THEN 'cancelled' ELSE 'completed' END::river_job_state, now(), 1, 25, args || jsonb_build_object('id', n::text), kind, metadata, queue, created_at
			FROM river_job, generate_series(2, %d) n`, n),
		`VACUUM ANALYZE river_job`,
	} {
		_, err := opened.pool.Exec(b.Context(), statement)
		require.NoError(b, err)
	}
}

// BenchmarkList measures the first page of a list among 100,000 deliveries, and River's JobList of as many jobs as the list
// reads. River's has the bodies.
func BenchmarkList(b *testing.B) {
	_, opened := newBench(b)
	fill(b, opened, 100_000)
	alone := river.NewJobListParams().Kinds(riverinbox.Kind).OrderBy(river.JobListOrderByID, river.SortOrderDesc)
	for _, c := range []struct {
		name    string
		query   inbox.Query
		entries int
		alone   *river.JobListParams
	}{
		{"newest", inbox.Query{}, 100, alone.First(100)},
		{"newest thousand", inbox.Query{Limit: inbox.MaxLimit}, 1000, alone.First(1000)},
		{"common state", inbox.Query{Filter: inbox.Filter{State: inbox.Done}}, 100, alone.States(rivertype.JobStateCompleted).First(100)},
		{"rare state", inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}}, 50, alone.States(rivertype.JobStateCancelled, rivertype.JobStateDiscarded).First(50)},
		{"no such text", inbox.Query{Filter: inbox.Filter{Text: "no such text"}}, 0, alone.First(10_000)},
		{"no such type of an endpoint", inbox.Query{Filter: inbox.Filter{Vendor: "convosphere", Endpoint: "default", Type: "none"}}, 0, alone.First(10_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			benchpair.Measure(b, "ms", [2]string{"list", "joblist"}, func() float64 {
				began := time.Now()
				page, err := opened.box.List(b.Context(), c.query)
				require.NoError(b, err)
				require.Len(b, page.Entries, c.entries)
				return milliseconds(time.Since(began))
			}, func() float64 {
				began := time.Now()
				_, err := opened.client.JobList(b.Context(), c.alone)
				require.NoError(b, err)
				return milliseconds(time.Since(began))
			})
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
