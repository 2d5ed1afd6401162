package sqlite

import (
	"context"
	"errors"
	"fmt"
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
	n, err := b.change(ctx, dead, f, retryEntry)
	b.revived(n)
	return n, err
}

// Rerun implements [inbox.Inbox]. With an ID it also takes an entry that is done, as long as its body is there; the error
// is [inbox.ErrPurged] as well if it is not.
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	n, err := b.change(ctx, dead, f, rerunEntry)
	if f.ID != "" && errors.Is(err, inbox.ErrNotFound) {
		n, err = b.change(ctx, done, f, rerunEntry)
	}
	b.revived(n)
	if f.ID == "" || !errors.Is(err, inbox.ErrNotFound) {
		return n, err
	}
	if e, findErr := b.Entry(ctx, f.ID); findErr == nil && e.State == inbox.Done && f.Matches(&e) {
		err = fmt.Errorf("sqlite: %w: entry %s is done, and %w", inbox.ErrNotFound, f.ID, inbox.ErrPurged)
	}
	return n, err
}

// Discard implements [inbox.Inbox]. The body is deleted at once.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	return b.change(ctx, dead, f, discardEntry, deleteBodyOf)
}

const deleteBodyOf = `DELETE FROM aihooks_inbox_body WHERE id = ?2 AND ?1 > 0`

func (b *Inbox) revived(n int) {
	if n > 0 {
		b.space.add(int64(n))
		b.wake("")
	}
}

// changeAtOnce is how many entries one operation changes: while it runs, others wait.
const changeAtOnce = 200

// change runs statements for each entry of a state that the filter selects, and returns for how many. Those that come
// back to the state meanwhile are left alone.
func (b *Inbox) change(ctx context.Context, code int, f inbox.Filter, statements ...string) (total int, err error) {
	if err := f.Check(); err != nil {
		return 0, err
	}
	conditions, args := where(code, f)
	query := "SELECT e.id FROM aihooks_inbox e WHERE " + conditions + " AND e.due_at <= ? LIMIT ?"
	args = append(args, milliseconds(time.Now()), changeAtOnce)
	for {
		var ids []int64
		err := b.writer.run(ctx, func(c *conn) error {
			ids = nil
			err := c.each(query, args, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
			now := milliseconds(time.Now())
			for _, id := range ids {
				for _, statement := range statements {
					if err == nil {
						_, err = c.exec(statement, now, id)
					}
				}
			}
			return err
		})
		if err != nil {
			return total, fmt.Errorf("sqlite: %w", err)
		}
		total += len(ids)
		if len(ids) < changeAtOnce {
			break
		}
	}
	if total == 0 && f.ID != "" {
		return 0, fmt.Errorf("sqlite: %w: %s", inbox.ErrNotFound, f.ID)
	}
	return total, nil
}
