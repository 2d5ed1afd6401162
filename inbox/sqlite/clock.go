package sqliteinbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// A clock compares the system's clock with the times in the file, which were not in the future when they were written. So
// it also detects changes that happened while no process ran.
type clock struct {
	mu     sync.Mutex
	last   time.Time // of the last check by this process
	warned bool      // a warning that the clock is ahead was logged
}

const (
	backTolerance  = 10 * time.Second // smaller steps are normal adjustments
	saveEvery      = time.Minute      // how old seen may become; a set-back is underestimated by at most this
	aheadTolerance = 10 * time.Minute // a restart takes less
	aheadWarning   = 24 * time.Hour
	catchUp        = 4 // how much faster than real time the purge time catches up
)

// The table has one row. seen is the newest time that any process had. purged is the current time for purging.
const (
	clockTable   = `CREATE TABLE IF NOT EXISTS aihooks_inbox_clock (seen INTEGER NOT NULL, purged INTEGER NOT NULL) STRICT`
	clockRow     = `INSERT INTO aihooks_inbox_clock SELECT ?1, ?1 WHERE NOT EXISTS (SELECT 1 FROM aihooks_inbox_clock)`
	selectClock  = `SELECT seen, purged FROM aihooks_inbox_clock`
	updateClock  = `UPDATE aihooks_inbox_clock SET seen = ?1, purged = ?2`
	redate       = `UPDATE aihooks_inbox SET due_at = due_at - ?1 WHERE due_at > ?2`
	redateLeases = `UPDATE ` + sqlstore.DefaultTable + ` SET lease_until = lease_until - ?1 WHERE state = 1 AND lease_until > ?2`
)

// checkClock detects a change of the clock, and returns the current time for purging.
//
// After the clock was set back, due times and leases are in the future; checkClock sets them back too. If the clock is
// far ahead, a purge by the clock could delete everything at once. So the purge time advances at most catchUp times as
// fast as this process runs, until it has reached the clock.
func (b *Inbox) checkClock(ctx context.Context) (purgeTime time.Time, err error) {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	var now time.Time
	var back time.Duration
	var seen, purged int64
	err = b.writer.run(ctx, func(c *conn) error {
		back = 0
		now = time.Now()      // read after the lock was acquired: times that others wrote in between are not in the future
		var ran time.Duration // by the monotonic clock
		if !b.clock.last.IsZero() {
			ran = now.Sub(b.clock.last)
		}
		if _, err := c.exec(clockTable); err != nil {
			return err
		}
		if _, err := c.exec(clockRow, milliseconds(now)); err != nil {
			return err
		}
		if err := c.each(selectClock, nil, func(scan func(...any) error) error { return scan(&seen, &purged) }); err != nil {
			return err
		}
		at := milliseconds(now)
		moved := min(at, purged+catchUp*ran.Milliseconds())
		if at-moved <= aheadTolerance.Milliseconds() {
			moved = at
		}
		if d := time.Duration(seen-at) * time.Millisecond; d > backTolerance {
			back = d
			for _, statement := range []string{redate, redateLeases} {
				if _, err := c.exec(statement, d.Milliseconds(), at); err != nil {
					return err
				}
			}
		}
		purged = moved
		if back == 0 && at-seen < saveEvery.Milliseconds() && moved == at {
			return nil // nothing to write
		}
		_, err := c.exec(updateClock, at, moved)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("sqliteinbox: clock: %w", err)
	}
	b.clock.last = now
	purgeTime = timeOf(purged)
	b.warnOfClock(back, now.Sub(purgeTime))
	return purgeTime, nil
}

func (b *Inbox) warnOfClock(back, ahead time.Duration) {
	if back > 0 {
		b.options.Policy.Logger.Warn("inbox: the system's clock was set back; the times of stored deliveries were set back too, so that they run",
			"path", b.path, "back", back.Round(time.Second).String())
		b.wake("")
	}
	if ahead > aheadWarning && !b.clock.warned {
		b.options.Policy.Logger.Warn("inbox: the system's clock is far ahead of the last use of this file; "+
			"unless the service was down for that time, correct the clock, or dead letters and keys are purged too early; purging is slow for now",
			"path", b.path, "ahead", ahead.Round(time.Second).String())
	}
	b.clock.warned = ahead > aheadWarning
}

// setBack returns how far the clock was set back since the last use of the file.
func (b *Inbox) setBack(ctx context.Context, now time.Time) time.Duration {
	var seen, purged int64
	if err := b.reads.QueryRowContext(ctx, selectClock).Scan(&seen, &purged); err != nil {
		return 0 // no service has opened this file yet
	}
	if d := timeOf(seen).Sub(now); d > backTolerance {
		return d
	}
	return 0
}
