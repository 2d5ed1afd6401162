package riverinbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/inbox"
)

// countAll counts the jobs by queue and state. A queue's name has the vendor and the endpoint, so that args, which hold the
// body, are read only for one job of each queue whose name is a digest, and for the discarded deliveries in the control
// queue. An index finds those by their states and their queue.
const countAll = `WITH groups AS (
    SELECT queue, state, count(*) AS n, count(*) FILTER (WHERE state = 'scheduled' AND metadata->'output'->>'deferred' = 'true') AS deferred,
        min(scheduled_at) FILTER (WHERE scheduled_at <= clock_timestamp()) AS first, min(id) AS one
    FROM %[1]s WHERE kind = $1 AND queue <> $2 GROUP BY queue, state
)
SELECT queue, state, n, deferred, (extract(epoch FROM clock_timestamp() - first) * 1e6)::bigint,
    CASE WHEN queue NOT LIKE '%%|%%|%%' THEN (SELECT concat_ws('|', $2, args->>'vendor', args->>'endpoint') FROM %[1]s WHERE id = one) END
FROM groups
UNION ALL
SELECT queue, 'completed', count(*), 0, NULL, concat_ws('|', $2, args->>'vendor', args->>'endpoint')
FROM %[1]s WHERE kind = $1 AND queue = $2
    AND state IN ('available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled')
GROUP BY queue, args->>'vendor', args->>'endpoint'`

// Stats implements [inbox.Inbox]. Done counts the completed and discarded deliveries that River has not deleted yet.
// Due times are compared by the database's clock. Stats is one statement, which reads every job of the inbox without its body: 100,000
// jobs in some 100 ms. Call it after Use.
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	stats := inbox.Stats{Endpoints: make(map[string]inbox.Counts)}
	if b.client.Load() == nil {
		return stats, errNoClient
	}
	now := time.Now()
	rows, err := b.pool.Query(ctx, fmt.Sprintf(countAll, b.jobTable()), Kind, controlQueue)
	if err != nil {
		return stats, fmt.Errorf("riverinbox: %w", err)
	}
	var name string
	var other *string
	var state rivertype.JobState
	var n, deferred int
	var age *int64 // microseconds
	_, err = pgx.ForEachRow(rows, []any{&name, &state, &n, &deferred, &age, &other}, func() error {
		if other != nil {
			name = *other
		}
		endpoint := strings.Replace(strings.TrimPrefix(name, controlQueue+"|"), "|", "/", 1)
		counts := stats.Endpoints[endpoint]
		for _, c := range []*inbox.Counts{&counts, &stats.Counts} {
			c.Add(stateOf(state), n-deferred)
			c.Add(inbox.Deferred, deferred)
		}
		stats.Endpoints[endpoint] = counts
		if stateOf(state) == inbox.Pending && age != nil {
			if at := now.Add(-time.Duration(*age) * time.Microsecond); stats.Oldest.IsZero() || at.Before(stats.Oldest) {
				stats.Oldest = at
			}
		}
		return nil
	})
	if err != nil {
		return stats, fmt.Errorf("riverinbox: %w", err)
	}
	return stats, nil
}

// stateOf returns the state of deliveries that are not deferred, whose jobs are in a state of River.
func stateOf(s rivertype.JobState) inbox.State {
	switch s {
	case rivertype.JobStateCompleted:
		return inbox.Done
	case rivertype.JobStateCancelled, rivertype.JobStateDiscarded:
		return inbox.DeadLettered
	case rivertype.JobStateRunning:
		return inbox.Running
	case rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled:
	}
	return inbox.Pending
}
