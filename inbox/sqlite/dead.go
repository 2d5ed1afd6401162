package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// What the verbs do with the entry ?2 at the time ?1. The attempts so far stay in the history.
const (
	retryEntry   = `UPDATE aihooks_inbox SET ` + revivedState + `, due_at = ?1, tried = 0 WHERE id = ?2`
	rerunEntry   = `UPDATE aihooks_inbox SET ` + revivedState + `, due_at = ?1, tried = 0, rerun = rerun + 1 WHERE id = ?2`
	revivedState = `state = iif(iif(json_valid(attempts), attempts ->> '$[#-1].outcome', '') = 'lost', 6, 0)`
	discardEntry = `UPDATE aihooks_inbox SET state = 5, due_at = ?1 WHERE id = ?2`
)

// Retry implements [inbox.Inbox].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.change(ctx, f, retryEntry)
	b.revived(n)
	return n, err
}

// Rerun implements [inbox.Inbox]. With an ID it also takes an entry that is done, as long as its body is there; the error
// is [inbox.ErrPurged] as well if it is not.
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.change(ctx, f, rerunEntry)
	orDone := f.ID != "" && f.State == ""
	if orDone && errors.Is(err, inbox.ErrNotFound) {
		n, err = b.changeState(ctx, done, f, rerunEntry)
	}
	b.revived(n)
	if !orDone || !errors.Is(err, inbox.ErrNotFound) {
		return n, err
	}
	if e, findErr := b.Entry(ctx, f.ID); findErr == nil && e.State == inbox.Done && f.Matches(&e) {
		err = fmt.Errorf("sqlite: %w: entry %s is done, and %w", inbox.ErrNotFound, f.ID, inbox.ErrPurged)
	}
	return n, err
}

// Discard implements [inbox.Inbox]. The body is deleted at once.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.change(ctx, f, discardEntry, deleteBodyOf)
	if n > 0 && f.State == inbox.Waiting {
		b.space.countWaitingAgain()
	}
	return n, err
}

const deleteBodyOf = `DELETE FROM aihooks_inbox_body WHERE id = ?2 AND ?1 > 0`

func (b *Inbox) revived(n int) {
	if n > 0 {
		b.space.add(int64(n))
		b.wake("")
	}
}

// One operation changes so many entries, and fewer if their bodies are large: while it runs, others wait. The entries are
// selected before, by a query that reads so many of them.
const (
	changeAtOnce = 200
	bytesAtOnce  = 1 << 20
	selectAtOnce = 1000
)

// A candidate is an entry to change, and when it came into its state.
type candidate struct {
	id, dueAt int64
	size      int // of its body
}

// change runs statements for each entry that the filter selects, and returns for how many.
func (b *Inbox) change(ctx context.Context, f inbox.Filter, statements ...string) (int, error) {
	if err := f.Check(); err != nil {
		return 0, err
	}
	if f.State == inbox.Waiting {
		return b.changeState(ctx, waiting, f, statements...)
	}
	return b.changeState(ctx, dead, f, statements...)
}

// changeState is change for one state of rows: dead or waiting, or any with an ID. Those that come back to the state
// meanwhile are left alone.
func (b *Inbox) changeState(ctx context.Context, code int, f inbox.Filter, statements ...string) (total int, err error) {
	if err := b.writer.check(ctx); err != nil { // also where nothing is selected
		return 0, fmt.Errorf("sqlite: %w", err)
	}
	until := milliseconds(time.Now())
	for last := (candidate{dueAt: math.MinInt64}); ; {
		selected, end, err := b.selectCandidates(ctx, code, f, until, last)
		if err != nil && b.closed.Load() {
			err = ErrClosed
		}
		if err != nil {
			return total, fmt.Errorf("sqlite: %w", err)
		}
		for some := range inBatches(selected) {
			n, err := b.changeSome(ctx, code, some, statements)
			total += n
			if err != nil {
				return total, fmt.Errorf("sqlite: %w", err)
			}
		}
		if end == nil {
			break
		}
		last = *end
	}
	if total == 0 && f.ID != "" {
		return 0, fmt.Errorf("sqlite: %w: %s", inbox.ErrNotFound, f.ID)
	}
	return total, nil
}

// changeSome runs statements for the candidates that are still what they were.
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

	// These read the size of a body only where the conditions, which are filled in, hold.
	selectKept = `SELECT e.id, e.due_at, CASE WHEN %s THEN coalesce((SELECT length(body) FROM aihooks_inbox_body b WHERE b.id = e.id), 0) END
FROM (SELECT id, hook, type, received_at, state, due_at FROM aihooks_inbox INDEXED BY aihooks_inbox_kept WHERE state = %d AND due_at <= ? AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?) e`
	selectByID = `SELECT e.id, e.due_at, 0 FROM aihooks_inbox e WHERE %s AND e.due_at <= ?`
)

// selectCandidates returns those of the next entries of a state after last that the filter selects, or the entry of its ID. It
// reads a bounded number and holds up no writer. It returns the last one that it read, or nil if there are no more.
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
		if err := scan(&c.id, &c.dueAt, &size); err != nil {
			return err
		}
		if size != nil {
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

// inBatches parts candidates into batches for one operation each.
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
