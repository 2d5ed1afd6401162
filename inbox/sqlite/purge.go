package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// Purging runs in small steps with a pause after each, so that it does not delay other writers.
const (
	purgeEvery  = 5 * time.Second
	purgeAtOnce = 200
	purgePause  = 5 * time.Millisecond
)

// The entries of an endpoint to purge: up to ?4 that have been in a state since before ?3. A body is deleted with its
// entry.
const (
	spendDone   = `UPDATE aihooks_inbox SET state = 5 WHERE id = ?1`
	deleteEntry = `DELETE FROM aihooks_inbox WHERE id = ?1`
	selectOld   = `SELECT id, coalesce((SELECT length(body) FROM aihooks_inbox_body b WHERE b.id = e.id), 0)
FROM aihooks_inbox e WHERE state = ?1 AND handler = ?2 AND due_at <= ?3 ORDER BY due_at LIMIT ?4`
)

// A retentionRule says how long entries are kept in a state, and what happens then.
type retentionRule struct {
	state      int
	after      time.Duration
	statements []string
	warning    string
}

func (o *Options) retentionRules() []retentionRule {
	all := []string{deleteBody, deleteEntry}
	list := []retentionRule{
		{spent, o.Retention, all, ""},
		{done, o.Retention, all, ""},
		{deadLettered, o.DeadLetterRetention, all, "inbox: dead letters were deleted after Options.DeadLetterRetention without an operator's decision"},
		{deferred, o.DeadLetterRetention, all, "inbox: deferred deliveries were deleted, because their type had no callback within Options.DeadLetterRetention"},
	}
	if o.BodyRetention < o.Retention {
		list = append(list, retentionRule{done, max(o.BodyRetention, 0), []string{deleteBody, spendDone}, ""})
	}
	return list
}

// purgeLoop purges old entries and returns free space to the disk, until ctx ends.
func (b *Inbox) purgeLoop(ctx context.Context) {
	rules := b.options.retentionRules()
	for pause(ctx, purgeEvery/2+rand.N(purgeEvery)) { //nolint:gosec // spreads the purges of several processes
		b.purgeOnce(ctx, rules)
	}
}

// purgeOnce applies the retention rules once, checks the files, and shrinks the database.
func (b *Inbox) purgeOnce(ctx context.Context, rules []retentionRule) {
	purgeTime, err := b.checkClock(ctx)
	b.reportPurge(ctx, err)
	for i := range rules {
		if err != nil {
			break // the purge time is unknown
		}
		n, err := b.applyRule(ctx, &rules[i], purgeTime)
		if n > 0 && rules[i].warning != "" {
			b.options.Policy.Logger.Warn(rules[i].warning, "path", b.path, "deleted", n)
		}
		b.reportPurge(ctx, err)
	}
	_ = b.files.check(time.Now()) // logs a problem even if no delivery arrives
	b.reportPurge(ctx, b.shrink(ctx))
	b.reportPurge(ctx, b.space.recount(ctx, b))
}

// reportPurge reports an error of purging unless the inbox is closing.
func (b *Inbox) reportPurge(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		b.report(err)
	}
}

func (b *Inbox) applyRule(ctx context.Context, rule *retentionRule, now time.Time) (total int, err error) {
	if rule.after == Forever {
		return 0, nil
	}
	err = b.eachEndpoint(ctx, rule.state, func(handler string) error {
		for more := true; more; {
			var n int
			n, more, err = b.applyRuleOnce(ctx, rule, handler, now)
			total += n
			if err != nil {
				return fmt.Errorf("sqliteinbox: purge: %w", err)
			}
			if n > 0 && !pause(ctx, purgePause) {
				return ctx.Err()
			}
		}
		return nil
	})
	return total, err
}

// applyRuleOnce purges the entries of one operation, and reports whether there are more.
func (b *Inbox) applyRuleOnce(ctx context.Context, rule *retentionRule, handler string, now time.Time) (n int, more bool, err error) {
	err = b.writer.run(ctx, func(c *conn) error {
		var ids []int64
		found, bytes := 0, 0
		err := c.each(selectOld, []any{rule.state, handler, milliseconds(now.Add(-rule.after)), purgeAtOnce}, func(scan func(...any) error) error {
			var id int64
			var size int
			err := scan(&id, &size)
			if found++; len(ids) == 0 || bytes+size <= bytesAtOnce {
				ids, bytes = append(ids, id), bytes+size
			}
			return err
		})
		for _, id := range ids {
			for _, statement := range rule.statements {
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

// Pages are returned to the disk when at least shrinkPages, and at least one in shrinkShare, are free. The write-ahead
// log is emptied when it has longLog bytes.
const (
	shrinkPages = 4096
	shrinkShare = 4
	shrinkStep  = 64
	shrinkFor   = 5 * time.Second // at most, before the next purge
	longLog     = 16 << 20
)

// restAfter returns the pause after a step of shrinking. Shrinking takes at most a fifth of the time; senders have the
// rest. The duration of a step depends on the disk, and on how many senders it waits for. If senders are refused because
// the disk lacks space, the pause is shorter, so that space is free soon.
func (b *Inbox) restAfter(step time.Duration) time.Duration {
	if b.space.lacksDisk(b) {
		return purgePause
	}
	return max(purgePause, 4*step)
}

// shrink returns free pages to the disk, a few at a time and for a limited time. It empties the write-ahead log if it is
// long.
func (b *Inbox) shrink(ctx context.Context) error {
	began := time.Now()
	for before := -1; time.Since(began) < shrinkFor; {
		var free, all int
		err := b.reads.QueryRowContext(ctx, `SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count`).Scan(&free, &all)
		if err != nil {
			return fmt.Errorf("sqliteinbox: %w", err)
		}
		if free < shrinkPages || free < all/shrinkShare || free == before {
			break // the last pages; a file that the program created without auto_vacuum cannot shrink
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
		return nil //nolint:nilerr // nothing to empty
	}
	_, err = b.emptyLog(ctx) // if a reader prevents it, the next purge tries again
	return err
}

// shrinkSome returns the pages of one operation.
func (b *Inbox) shrinkSome(ctx context.Context) error {
	return b.writer.run(ctx, func(c *conn) error {
		return c.each(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkStep), nil, func(func(...any) error) error { return nil })
	})
}

// emptyLog truncates the write-ahead log, and reports whether it did. It cannot while another connection reads or writes.
// It does not wait for that connection, because writers would have to wait too.
func (b *Inbox) emptyLog(ctx context.Context) (emptied bool, err error) {
	c, err := b.db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("sqliteinbox: %w", err)
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
		return false, fmt.Errorf("sqliteinbox: %w", err)
	}
	return emptied, nil
}
