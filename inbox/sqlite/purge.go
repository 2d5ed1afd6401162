package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// How the housekeeping goes about it: in steps too small to be felt, with a pause after each.
const (
	keepEvery   = 5 * time.Second
	purgeAtOnce = 200
	purgePause  = 5 * time.Millisecond
)

// What is purged of an endpoint: the entries ?3 of it at most that came into a state before ?2. A body goes with its entry.
const (
	spendDone   = `UPDATE aihooks_inbox SET state = 5 WHERE id = ?1`
	deleteEntry = `DELETE FROM aihooks_inbox WHERE id = ?1`
	selectOld   = `SELECT id, coalesce((SELECT length(body) FROM aihooks_inbox_body b WHERE b.id = e.id), 0)
FROM aihooks_inbox e WHERE state = ?1 AND handler = ?2 AND due_at <= ?3 ORDER BY due_at LIMIT ?4`
)

// A broom is what becomes of entries that have been in a state for so long.
type broom struct {
	state      int
	after      time.Duration
	statements []string
	warning    string
}

func (o *Options) brooms() []broom {
	all := []string{deleteBody, deleteEntry}
	list := []broom{
		{spent, o.Retention, all, ""},
		{done, o.Retention, all, ""},
		{deadLettered, o.DeadLetterRetention, all, "inbox: dead letters were deleted: nobody had decided about them within Options.DeadLetterRetention"},
		{deferred, o.DeadLetterRetention, all, "inbox: deliveries were deleted that had no callback within Options.DeadLetterRetention"},
	}
	if o.BodyRetention < o.Retention {
		list = append(list, broom{done, max(o.BodyRetention, 0), []string{deleteBody, spendDone}, ""})
	}
	return list
}

// keepHouse purges what has been kept long enough, and gives room back to the disk.
func (b *Inbox) keepHouse(ctx context.Context) {
	brooms := b.options.brooms()
	for pause(ctx, keepEvery/2+rand.N(keepEvery)) { //nolint:gosec // so that several processes do not do it together
		b.tidy(ctx, brooms)
	}
}

// tidy does once what there is to do.
func (b *Inbox) tidy(ctx context.Context, brooms []broom) {
	purge, err := b.lookAtClock(ctx)
	b.keep(ctx, err)
	for i := range brooms {
		if err != nil {
			break // by what is not known
		}
		n, err := b.sweep(ctx, &brooms[i], purge)
		if n > 0 && brooms[i].warning != "" {
			b.options.Policy.Logger.Warn(brooms[i].warning, "path", b.path, "deleted", n)
		}
		b.keep(ctx, err)
	}
	_ = b.files.check(time.Now()) // logs it also where nothing is delivered
	b.keep(ctx, b.shrink(ctx))
	if due(&b.space.countedAt, countEvery) {
		b.keep(ctx, b.space.count(ctx, b))
	}
}

// keep reports an error of the housekeeping that is not its end.
func (b *Inbox) keep(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		b.report(err)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (b *Inbox) sweep(ctx context.Context, w *broom, now time.Time) (total int, err error) {
	if w.after == Forever {
		return 0, nil
	}
	err = b.eachEndpoint(ctx, w.state, func(handler string) error {
		for more := true; more; {
			var n int
			n, more, err = b.sweepSome(ctx, w, handler, now)
			total += n
			if err != nil {
				return fmt.Errorf("sqlite: purge: %w", err)
			}
			if n > 0 && !pause(ctx, purgePause) {
				return ctx.Err()
			}
		}
		return nil
	})
	return total, err
}

// sweepSome purges what one operation may, and reports whether there is more.
func (b *Inbox) sweepSome(ctx context.Context, w *broom, handler string, now time.Time) (n int, more bool, err error) {
	err = b.writer.run(ctx, func(c *conn) error {
		var ids []int64
		found, bytes := 0, 0
		err := c.each(selectOld, []any{w.state, handler, milliseconds(now.Add(-w.after)), purgeAtOnce}, func(scan func(...any) error) error {
			var id int64
			var size int
			err := scan(&id, &size)
			if found++; len(ids) == 0 || bytes+size <= bytesAtOnce {
				ids, bytes = append(ids, id), bytes+size
			}
			return err
		})
		for _, id := range ids {
			for _, statement := range w.statements {
				if err == nil {
					_, err = c.exec(statement, id)
				}
			}
		}
		n, more = len(ids), found > len(ids) || found == purgeAtOnce
		return err
	})
	return n, more, err
}

// The file gives room back when so many of its pages are free, and so many of all; the write-ahead log, when it is so long.
const (
	shrinkPages = 4096
	shrinkShare = 4
	shrinkStep  = 64
	shrinkFor   = 5 * time.Second // then the other housekeeping has its turn
	longLog     = 16 << 20
)

// restAfter returns the pause after a step of shrinking: it takes a fifth of the time at most, senders have the rest. How long
// a step takes depends on the disk, and on how many senders it waits for. Where senders are refused for want of space, they
// wait for the end of the shrinking.
func (b *Inbox) restAfter(step time.Duration) time.Duration {
	if b.space.lacksDisk(b) {
		return purgePause
	}
	return max(purgePause, 4*step)
}

// shrink gives free pages back, a few at a time and for a while, and empties the write-ahead log once it has grown.
func (b *Inbox) shrink(ctx context.Context) error {
	began := time.Now()
	for before := -1; time.Since(began) < shrinkFor; {
		var free, all int
		err := b.reads.QueryRowContext(ctx, `SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count`).Scan(&free, &all)
		if err != nil {
			return fmt.Errorf("sqlite: %w", err)
		}
		if free < shrinkPages || free < all/shrinkShare || free == before {
			break // the last: a file that the program made itself, without auto_vacuum, stays as long as it is
		}
		before = free
		step := time.Now()
		err = b.shrinkSome(ctx)
		if err != nil || !pause(ctx, b.restAfter(time.Since(step))) {
			return err
		}
	}
	log, err := os.Stat(b.path + "-wal")
	if err != nil || log.Size() < longLog {
		return nil //nolint:nilerr // there is nothing to do
	}
	_, err = b.emptyLog(ctx) // if it is read at the moment, the next time is early enough
	return err
}

// shrinkSome gives the pages back that one operation may.
func (b *Inbox) shrinkSome(ctx context.Context) error {
	return b.writer.run(ctx, func(c *conn) error {
		return c.each(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkStep), nil, func(func(...any) error) error { return nil })
	})
}

// emptyLog truncates the write-ahead log, and reports whether it did: not while another connection reads or writes. It does
// not wait for that one: writers would have to wait as long.
func (b *Inbox) emptyLog(ctx context.Context) (emptied bool, err error) {
	c, err := b.db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("sqlite: %w", err)
	}
	defer func() { _ = c.Close() }()
	err = withoutWaiting(ctx, c, func() error {
		var busy, frames, copied int
		err := c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &copied)
		emptied = err == nil && busy == 0
		if isBusy(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sqlite: %w", err)
	}
	return emptied, nil
}
