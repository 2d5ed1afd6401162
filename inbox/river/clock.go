package riverinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// River computes due times by the clock of the process, and compares them with the clock of the database. The inbox
// measures the difference, and schedules by the database's clock.
const (
	clockEvery = time.Minute // how often a Run measures the difference
	moveEvery  = time.Second // how often a Run calls moveDue while the clocks differ

	clockTolerance = time.Second
	// maxAhead is how far the process may be ahead of its database in Use: River deletes by the clock of the process.
	maxAhead = 24 * time.Hour
)

// measureClock measures by how much the database's clock is ahead of this process. It returns zero within the tolerance.
func (b *Inbox) measureClock(ctx context.Context) (time.Duration, error) {
	var database time.Time
	before := time.Now()
	if err := b.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&database); err != nil {
		return 0, fmt.Errorf("riverinbox: clock: %w", err)
	}
	took := time.Since(before)
	skew := database.Sub(before.Add(took / 2))
	if skew.Abs() <= clockTolerance+took/2 {
		skew = 0
	}
	if last := time.Duration(b.skew.Swap(int64(skew))); skew != 0 && (last-skew).Abs() > clockTolerance+took {
		b.options.Policy.Logger.Warn("inbox: the clocks of this process and of the database differ; correct them: deliveries are scheduled by the database's clock, "+
			"but River rescues and deletes by the clock of the process", "database_ahead", skew.Round(time.Millisecond).String())
	}
	return skew, nil
}

// checkClock refuses a process whose clock would make River delete jobs that have just ended.
func (b *Inbox) checkClock(ctx context.Context) error {
	skew, err := b.measureClock(ctx)
	if err == nil && -skew > maxAhead {
		err = fmt.Errorf("riverinbox: the clock of this process is %v ahead of the database's; correct it: River would delete dead letters and keys too early", (-skew).Round(time.Second))
	}
	return err
}

// ahead returns by how much this process is ahead of the database. It is zero if the process is behind.
func (b *Inbox) ahead() time.Duration { return max(0, -time.Duration(b.skew.Load())) }

// inDatabase returns the delay to pass to River, so that a job waits for d by the database's clock. River accepts no
// time that is in the past for this process. If one is needed, due is the real due time. See moveDue.
func (b *Inbox) inDatabase(d time.Duration) (delay time.Duration, due *time.Time) {
	skew := time.Duration(b.skew.Load())
	delay = d + skew
	switch {
	case skew > 0:
		return max(delay, d), nil // d may be close to the end of time
	case delay >= 0:
		return delay, nil
	}
	at := time.Now().Add(delay)
	return 0, &at
}

// moveDue makes jobs available that are due by the database's clock, but not by that of River's leader. It also corrects
// the due times that River did not accept. A job that has never run is due at once.
const moveDue = `UPDATE %s SET state = 'available', scheduled_at = least(scheduled_at, coalesce((metadata->'output'->>'due')::timestamptz, now()))
WHERE state IN ('available', 'retryable', 'scheduled') AND kind = $1 AND (
    state <> 'available' AND scheduled_at <= now()
    OR state = 'available' AND scheduled_at > now() AND (
        scheduled_at > (metadata->'output'->>'due')::timestamptz OR attempt = 0 AND NOT metadata ? 'snoozes'))`

func (b *Inbox) moveDue(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, fmt.Sprintf(moveDue, b.jobTable()), Kind)
	return err
}

// jobTable returns the quoted name of River's job table.
func (b *Inbox) jobTable() string { return qualified(b.schema, "river_job") }

// qualified returns the quoted name of a table or type in a schema, or its name if there is no schema.
func qualified(schema, name string) string {
	if schema == "" {
		return name
	}
	return pgx.Identifier{schema, name}.Sanitize()
}
