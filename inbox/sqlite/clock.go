package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// A clock compares the system's clock with the times in the file, which cannot have been in the future when they were
// written. So it also sees what happened while no process ran.
type clock struct {
	mu     sync.Mutex
	last   time.Time // of the last look of this process
	warned bool      // that the clock is ahead
}

const (
	backTolerance  = 10 * time.Second // clocks are adjusted in small steps
	saveEvery      = time.Minute      // how old the time in the file may become: as much less a set-back is noticed
	aheadTolerance = 10 * time.Minute // of a restart
	aheadWarning   = 24 * time.Hour
	catchUp        = 4 // how much faster than time itself the purging catches up
)

// The table has one row. seen is the newest time that a process had, and purged the time by which ages are judged.
const (
	clockTable   = `CREATE TABLE IF NOT EXISTS aihooks_inbox_clock (seen INTEGER NOT NULL, purged INTEGER NOT NULL) STRICT`
	clockRow     = `INSERT INTO aihooks_inbox_clock SELECT ?1, ?1 WHERE NOT EXISTS (SELECT 1 FROM aihooks_inbox_clock)`
	selectClock  = `SELECT seen, purged FROM aihooks_inbox_clock`
	updateClock  = `UPDATE aihooks_inbox_clock SET seen = ?1, purged = ?2`
	redate       = `UPDATE aihooks_inbox SET due_at = due_at - ?1 WHERE due_at > ?2`
	redateLeases = `UPDATE ` + sqlstore.DefaultTable + ` SET lease_until = lease_until - ?1 WHERE state = 1 AND lease_until > ?2`
)

// lookAtClock looks whether the clock was set, and returns the time by which ages are to be judged.
//
// A clock that was set back leaves due times, leases and ends in the future: they are set back as well. A clock that is far
// ahead, of the file or of a set-back to come, would have everything purged at once. So the time of purging moves at most
// catchUp times as fast as this process runs, until it has reached the clock.
func (b *Inbox) lookAtClock(ctx context.Context) (purge time.Time, err error) {
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	var now time.Time
	var back time.Duration
	var seen, purged int64
	err = b.writer.run(ctx, func(c *conn) error {
		back = 0
		now = time.Now()      // once the file is locked: what others wrote while this one waited is not in the future
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
			return nil // there is no need to write
		}
		_, err := c.exec(updateClock, at, moved)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("sqlite: clock: %w", err)
	}
	b.clock.last = now
	purge = timeOf(purged)
	b.warnOfClock(back, now.Sub(purge))
	return purge, nil
}

func (b *Inbox) warnOfClock(back, ahead time.Duration) {
	if back > 0 {
		b.options.Policy.Logger.Warn("inbox: the system's clock was set back; the times of stored deliveries were set back as well, so that they run",
			"path", b.path, "back", back.Round(time.Second).String())
		b.wake("")
	}
	if ahead > aheadWarning && !b.clock.warned {
		b.options.Policy.Logger.Warn("inbox: the system's clock is far ahead of the time when this file was used last; "+
			"unless the service was down for so long, set it right before dead letters and keys are purged too early; purging is slowed down until then",
			"path", b.path, "ahead", ahead.Round(time.Second).String())
	}
	b.clock.warned = ahead > aheadWarning
}

// setBack returns by how much the clock has been set back since the file was used.
func (b *Inbox) setBack(ctx context.Context, now time.Time) time.Duration {
	var seen, purged int64
	if err := b.reads.QueryRowContext(ctx, selectClock).Scan(&seen, &purged); err != nil {
		return 0 // a file that no service has open yet
	}
	if d := timeOf(seen).Sub(now); d > backTolerance {
		return d
	}
	return 0
}
