package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// The statements that change entry ?2 at the time ?1. Earlier attempts stay in the history.
const (
	retryEntry   = `UPDATE aihooks_inbox SET ` + requeuedState + `, due_at = ?1, tried = 0 WHERE id = ?2`
	rerunEntry   = `UPDATE aihooks_inbox SET ` + requeuedState + `, due_at = ?1, tried = 0, rerun = rerun + 1 WHERE id = ?2`
	discardEntry = `UPDATE aihooks_inbox SET state = 5, due_at = ?1 WHERE id = ?2`
)

// Retry implements [inbox.Operator].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.audited(ctx, inbox.ActionRetry, f, func(begin func() error) (int, error) { return b.change(ctx, f, begin, retryEntry) })
	b.wakeRetried(n)
	return n, err
}

// Rerun implements [inbox.Operator].
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	orDone := f.ID != "" && f.State == ""
	n, err := b.audited(ctx, inbox.ActionRerun, f, func(begin func() error) (int, error) {
		n, err := b.change(ctx, f, begin, rerunEntry)
		if orDone && errors.Is(err, inbox.ErrNotFound) {
			n, err = b.changeState(ctx, done, f, begin, rerunEntry)
		}
		return n, err
	})
	b.wakeRetried(n)
	if !orDone || !errors.Is(err, inbox.ErrNotFound) {
		return n, err
	}
	if e, findErr := b.Entry(ctx, f.ID); findErr == nil && e.State == inbox.Done && f.Matches(&e) {
		err = fmt.Errorf("sqliteinbox: %w: entry %s is done: %w", inbox.ErrNotFound, f.ID, inbox.ErrPurged)
	}
	return n, err
}

// Discard implements [inbox.Operator]. The body is deleted at once.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.audited(ctx, inbox.ActionDiscard, f, func(begin func() error) (int, error) {
		return b.change(ctx, f, begin, discardEntry, deleteBodyOf)
	})
	if n > 0 && f.State == inbox.Deferred {
		b.space.countDeferredAgain()
	}
	return n, err
}

const deleteBodyOf = `DELETE FROM aihooks_inbox_body WHERE id = ?2 AND ?1 > 0`

func (b *Inbox) wakeRetried(n int) {
	if n > 0 {
		b.space.add(int64(n))
		b.wake("")
	}
}

// One operation changes at most changeAtOnce entries, and fewer if their bodies are large, because other writers wait
// meanwhile. A query before it reads up to selectAtOnce entries and selects among them.
const (
	changeAtOnce = 200
	bytesAtOnce  = 1 << 20
	selectAtOnce = 1000
)

// A candidate is an entry to change.
type candidate struct {
	id, dueAt int64 // dueAt is when the entry entered its state
	size      int   // of its body
}

// audited does an operation with a record of it, unless it would fail anyway.
func (b *Inbox) audited(ctx context.Context, a inbox.Action, f inbox.Filter, do func(begin func() error) (int, error)) (int, error) {
	return b.controls.Audited(ctx, a, f, func(begin func() error) (int, error) {
		if err := b.writer.check(ctx); err != nil {
			return 0, fmt.Errorf("sqliteinbox: %w", err)
		}
		return do(begin)
	})
}

// change runs the statements for each entry that the filter selects, and returns the number of entries.
func (b *Inbox) change(ctx context.Context, f inbox.Filter, begin func() error, statements ...string) (int, error) {
	if f.State == inbox.Deferred {
		return b.changeState(ctx, deferred, f, begin, statements...)
	}
	return b.changeState(ctx, deadLettered, f, begin, statements...)
}

// changeState is change for the rows of one state. It skips entries that enter the state after it began. With an ID the
// state may be any; otherwise it must be dead-lettered or deferred. It calls begin before each change.
func (b *Inbox) changeState(ctx context.Context, code int, f inbox.Filter, begin func() error, statements ...string) (total int, err error) {
	until := milliseconds(time.Now())
	for last := (candidate{dueAt: math.MinInt64}); ; {
		selected, end, err := b.selectCandidates(ctx, code, f, until, last)
		if err != nil && b.closed.Load() {
			err = ErrClosed
		}
		if err != nil {
			return total, fmt.Errorf("sqliteinbox: %w", err)
		}
		for some := range inBatches(selected) {
			if err := begin(); err != nil {
				return total, err
			}
			n, err := b.changeSome(ctx, code, some, statements)
			total += n
			if err != nil {
				return total, fmt.Errorf("sqliteinbox: %w", err)
			}
		}
		if end == nil {
			break
		}
		last = *end
	}
	if total == 0 && f.ID != "" {
		return 0, fmt.Errorf("sqliteinbox: %w: %s", inbox.ErrNotFound, f.ID)
	}
	return total, nil
}

// changeSome runs the statements for the candidates that have not changed since they were selected.
func (b *Inbox) changeSome(ctx context.Context, code int, some []candidate, statements []string) (n int, err error) {
	err = b.writer.run(ctx, func(c *conn) error {
		n = 0
		now := milliseconds(time.Now())
		for _, e := range some {
			same := false
			err := c.each(isCandidate, []any{e.id, code, e.dueAt}, func(func(...any) error) error { same = true; return nil })
			for _, statement := range statements {
				if err == nil && same {
					_, err = c.exec(statement, now, e.id)
				}
			}
			if err != nil {
				return err
			}
			if same {
				n++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

const (
	isCandidate = `SELECT 1 FROM aihooks_inbox WHERE id = ?1 AND state = ?2 AND due_at = ?3`

	// These queries read the size of a body only if the conditions hold, which are filled in.
	selectKept = `SELECT e.id, e.due_at, CASE WHEN %s THEN coalesce((SELECT length(body) FROM aihooks_inbox_body b WHERE b.id = e.id), 0) END, e.handler, e.delivery_id, e.type, coalesce(e.attempts, '')
FROM (SELECT id, handler, type, delivery_id, received_at, state, due_at, attempts FROM aihooks_inbox INDEXED BY aihooks_inbox_kept WHERE state = %d AND due_at <= ? AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?) e`
	selectByID = `SELECT e.id, e.due_at, 0, e.handler, e.delivery_id, e.type, coalesce(e.attempts, '') FROM aihooks_inbox e WHERE %s AND e.due_at <= ?`
)

// selectCandidates returns the entries that the filter selects among the next entries of a state after last. With an ID
// it returns that entry. It reads a bounded number of entries and blocks no writer. end is the last entry that it read,
// or nil if there are no more.
func (b *Inbox) selectCandidates(ctx context.Context, code int, f inbox.Filter, until int64, last candidate) (selected []candidate, end *candidate, err error) {
	conditions, args := where(code, f)
	query, args := fmt.Sprintf(selectByID, conditions), append(args, until) //nolint:gosec // the conditions are ours, and values are arguments
	if f.ID == "" {
		query, args = fmt.Sprintf(selectKept, conditions, code), append(args, last.dueAt, last.id, selectAtOnce)
	}
	rows, err := b.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	read := 0
	err = eachRow(rows, func(scan func(...any) error) error {
		var c candidate
		var size *int
		var d webhook.Delivery
		var handler, attempts string
		if err := scan(&c.id, &c.dueAt, &size, &handler, &d.ID, &d.Type, &attempts); err != nil {
			return err
		}
		d.Vendor, d.Endpoint = splitEndpoint(handler)
		if size != nil && matchesText(f.Text, &d, attempts) {
			c.size = *size
			selected = append(selected, c)
		}
		if read++; read == selectAtOnce {
			end = &c
		}
		return nil
	})
	return selected, end, err
}

// matchesText reports whether an entry matches a [inbox.Filter.Text].
func matchesText(text string, d *webhook.Delivery, attempts string) bool {
	if text == "" {
		return true
	}
	e := inbox.Entry{Delivery: d}
	e.Attempts, _ = readHistory(attempts)
	f := inbox.Filter{Text: text}
	return f.Matches(&e)
}

// inBatches splits candidates into batches, each for one operation.
func inBatches(all []candidate) iter.Seq[[]candidate] {
	return func(yield func([]candidate) bool) {
		for len(all) > 0 {
			n, size := 1, all[0].size
			for n < min(len(all), changeAtOnce) && size+all[n].size <= bytesAtOnce {
				size += all[n].size
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}
