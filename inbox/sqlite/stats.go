package sqliteinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

const countAll = `SELECT state, handler, count(*), min(due_at) FROM aihooks_inbox GROUP BY state, handler`

// Stats implements [inbox.Inbox]. It reads every entry, a million in some tenths of a second. It blocks no writer.
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	stats := inbox.Stats{Endpoints: make(map[string]inbox.Counts)}
	now := time.Now()
	back := b.setBack(ctx, now) // before the query: open rows would need a second connection
	rows, err := b.reads.QueryContext(ctx, countAll)
	if err != nil {
		return stats, fmt.Errorf("sqliteinbox: %w", err)
	}
	err = eachRow(rows, func(scan func(...any) error) error {
		var code, n int
		var handler string
		var first int64
		if err := scan(&code, &handler, &n, &first); err != nil {
			return err
		}
		state, err := stateOf(code)
		if err != nil {
			return err
		}
		stats.Add(state, n)
		counts := stats.Endpoints[handler]
		counts.Add(state, n)
		stats.Endpoints[handler] = counts
		at := timeOf(first)
		if back > 0 && at.After(now) {
			at = at.Add(-back)
			if at.Sub(now) < saveEvery { // within the accuracy of back
				at = now
			}
		}
		if stateNames[code] == inbox.Pending && !at.After(now) && (stats.Oldest.IsZero() || at.Before(stats.Oldest)) {
			stats.Oldest = at
		}
		return nil
	})
	if err != nil {
		return stats, fmt.Errorf("sqliteinbox: %w", err)
	}
	return stats, nil
}
