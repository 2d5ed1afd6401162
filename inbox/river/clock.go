package riverinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// River takes due times from the clock of the process and compares them with that of the database. An inbox measures by how
// much they differ and schedules by the database's clock.
const (
	clockEvery = time.Minute // how often it measures
	moveEvery  = time.Second // how often it moves what River does not, where the clocks differ

	clockTolerance = time.Second
	// maxAhead is how far a process may be ahead of its database as it starts: River deletes by the process' clock.
	maxAhead = 24 * time.Hour
)

// measureClock measures the skew. It returns by how much the database is ahead of this process: zero within the tolerance.
func (b *Inbox) measureClock(ctx context.Context) (time.Duration, error) {
	var there time.Time
	before := time.Now()
	if err := b.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&there); err != nil {
		return 0, fmt.Errorf("riverinbox: clock: %w", err)
	}
	took := time.Since(before)
	skew := there.Sub(before.Add(took / 2))
	if skew.Abs() <= clockTolerance+took/2 {
		skew = 0
	}
	if last := time.Duration(b.skew.Swap(int64(skew))); skew != 0 && (last-skew).Abs() > clockTolerance+took {
		b.options.Policy.Logger.Warn("inbox: the clocks of this process and of the database differ; deliveries are scheduled by the database's, but "+
			"River rescues and deletes by the process': set them right", "database_ahead", skew.Round(time.Millisecond).String())
	}
	return skew, nil
}

// checkClock refuses a process that would have River delete what has just ended.
func (b *Inbox) checkClock(ctx context.Context) error {
	skew, err := b.measureClock(ctx)
	if err == nil && -skew > maxAhead {
		err = fmt.Errorf("riverinbox: the clock of this process is %v ahead of the database's, and River would delete dead letters and keys by it: set it right", (-skew).Round(time.Second))
	}
	return err
}

// ahead returns by how much this process is ahead of the database: zero if it is behind.
func (b *Inbox) ahead() time.Duration { return max(0, -time.Duration(b.skew.Load())) }

// inDatabase returns how long River must be told that a job rests, so that it rests for d by the database's clock. River
// takes no time in the past of this process. Where that is needed, due is when the job really is due; see moveDue.
func (b *Inbox) inDatabase(d time.Duration) (rest time.Duration, due *time.Time) {
	skew := time.Duration(b.skew.Load())
	rest = d + skew
	switch {
	case skew > 0:
		return max(rest, d), nil // d may be close to the end of time
	case rest >= 0:
		return rest, nil
	}
	at := time.Now().Add(rest)
	return 0, &at
}

// moveDue makes jobs available that are due by the database's clock, though not by that of River's leader, and dates those
// whose due time could not be told to River: what has never run is due at once.
const moveDue = `UPDATE %s SET state = 'available', scheduled_at = least(scheduled_at, coalesce((metadata->'output'->>'due')::timestamptz, now()))
WHERE state IN ('available', 'retryable', 'scheduled') AND kind = $1 AND (
    state <> 'available' AND scheduled_at <= now()
    OR state = 'available' AND scheduled_at > now() AND (
        scheduled_at > (metadata->'output'->>'due')::timestamptz OR attempt = 0 AND NOT metadata ? 'snoozes'))`

func (b *Inbox) moveDue(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, fmt.Sprintf(moveDue, b.jobTable()), Kind)
	return err
}

// jobTable returns the name of River's table as SQL has it.
func (b *Inbox) jobTable() string {
	if b.schema == "" {
		return "river_job"
	}
	return pgx.Identifier{b.schema, "river_job"}.Sanitize()
}
