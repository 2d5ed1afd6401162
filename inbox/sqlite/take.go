package sqliteinbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// A taken is a delivery that a Run has leased.
type taken struct {
	id       int64
	takes    int64
	tried    int
	rerun    int
	history  []inbox.Attempt
	delivery *webhook.Delivery
	suspect  bool  // it occupies the slot of engine.Runs
	readErr  error // why the delivery could not be read
}

// deadLetter returns the entry of a delivery that became a dead letter.
func (t *taken) deadLetter() inbox.Entry {
	return inbox.Entry{
		ID: strconv.FormatInt(t.id, 10), State: inbox.DeadLettered, Delivery: t.delivery, Attempts: t.history, Since: time.Now().UTC(),
	}
}

const (
	takeDue = `UPDATE aihooks_inbox SET state = 1, owner = ?1, due_at = ?2, began_at = ?3, takes = takes + 1, tried = tried + 1
WHERE id IN (SELECT id FROM aihooks_inbox WHERE state = ?6 AND handler = ?4 AND due_at <= ?3 ORDER BY due_at LIMIT ?5)
RETURNING id, handler, type, delivery_id, received_at, takes, tried, rerun, coalesce(attempts, '')`
	selectBody = `SELECT meta, body FROM aihooks_inbox_body WHERE id = ?1`

	// A delivery that is given back has no trace of the attempt.
	giveBack = `UPDATE aihooks_inbox SET state = ?5, due_at = ?1, owner = NULL, tried = tried - 1
WHERE id = ?2 AND owner = ?3 AND takes = ?4 AND state = 1`
)

// A quota is how many deliveries of a handler may be taken.
type quota struct {
	handler string
	n       int
}

// take takes due deliveries in one operation, and returns them by handler. If slot is true, one of them may be a suspect.
func (b *Inbox) take(ctx context.Context, owner idempotency.Token, quotas []quota, slot bool) (map[string][]*taken, error) {
	var got map[string][]*taken
	err := b.writer.run(ctx, func(c *conn) error {
		got = make(map[string][]*taken, len(quotas))
		now, open := time.Now(), slot
		for _, q := range quotas {
			takeSome := func(state, n int) error {
				return c.each(takeDue, []any{owner[:], milliseconds(now.Add(b.options.Lease)), milliseconds(now), q.handler, n, state},
					func(scan func(...any) error) error {
						t, err := scanTaken(scan)
						t.suspect = state == suspect
						got[q.handler] = append(got[q.handler], t)
						return err
					})
			}
			if open {
				if err := takeSome(suspect, 1); err != nil {
					return err
				}
				open = len(got[q.handler]) == 0
			}
			if err := takeSome(pending, q.n-len(got[q.handler])); err != nil {
				return err
			}
			for _, t := range got[q.handler] {
				if err := t.read(c); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: take: %w", err)
	}
	return got, nil
}

func scanTaken(scan func(...any) error) (*taken, error) {
	t := &taken{delivery: new(webhook.Delivery)}
	var handler, attempts string
	var received int64
	err := scan(&t.id, &handler, &t.delivery.Type, &t.delivery.ID, &received, &t.takes, &t.tried, &t.rerun, &attempts)
	if err != nil {
		return t, err
	}
	t.delivery.Vendor, t.delivery.Endpoint = splitEndpoint(handler)
	t.delivery.ReceivedAt = time.Unix(0, received).UTC()
	t.history, _ = readHistory(attempts) // a damaged history is dropped: the delivery matters more
	return t, nil
}

// read reads the delivery's body and fields. If they are damaged, it sets readErr, and the delivery becomes a dead
// letter. It returns only errors of the file.
func (t *taken) read(c *conn) error {
	found := false
	err := c.each(selectBody, []any{t.id}, func(scan func(...any) error) error {
		found = true
		var meta string
		var body []byte
		if err := scan(&meta, &body); err != nil {
			return err
		}
		d, err := decode(meta, body)
		switch {
		case err != nil:
			t.readErr = err
		case t.rerun > 0:
			t.delivery = d.Again(t.rerun)
		default:
			t.delivery = d
		}
		return nil
	})
	if !found {
		t.readErr = inbox.ErrPurged
	}
	return err
}

func readHistory(text string) ([]inbox.Attempt, error) {
	if text == "" {
		return nil, nil
	}
	var history []inbox.Attempt
	if err := json.Unmarshal([]byte(text), &history); err != nil {
		return nil, fmt.Errorf("sqliteinbox: decode the stored attempts: %w", err)
	}
	return history, nil
}

func writeHistory(history []inbox.Attempt) (any, error) {
	if len(history) == 0 {
		return nil, nil //nolint:nilnil // NULL
	}
	text, err := json.Marshal(history)
	return string(text), err
}

const (
	endEntry = `UPDATE aihooks_inbox SET state = ?1, due_at = ?2, owner = NULL, tried = tried - ?3, attempts = ?4
WHERE id = ?5 AND owner = ?6 AND takes = ?7 AND state = 1`
	deleteBody = `DELETE FROM aihooks_inbox_body WHERE id = ?1`
)

var errLeaseEnded = errors.New("sqliteinbox: the lease had ended before the callback did")

// settle records the outcome of a delivery that has run. It returns errLeaseEnded if another process has taken the
// delivery.
func (b *Inbox) settle(ctx context.Context, owner idempotency.Token, t *taken, d engine.Decision) error {
	now := time.Now()
	state, at := pending, now.Add(d.After)
	switch d.Disposition {
	case engine.Complete:
		state = done
		if b.options.BodyRetention < 0 {
			state = spent
		}
	case engine.DeadLetter:
		state = deadLettered
	case engine.Defer:
		state = deferred
	}
	attempts := t.history
	if len(attempts) > 0 || d.Disposition != engine.Complete { // a success at the first attempt needs no history
		attempts = engine.Append(attempts, d.Attempt)
	}
	history, err := writeHistory(attempts)
	if err != nil {
		return err
	}
	uncounted := 0
	if !d.Attempt.Counted {
		uncounted = 1
	}
	if state == pending && engine.IsSuspect(attempts) {
		state = suspect
	}
	err = b.writer.run(ctx, func(c *conn) error {
		n, err := c.exec(endEntry, state, milliseconds(at), uncounted, history, t.id, owner[:], t.takes)
		switch {
		case err != nil:
			return err
		case n == 0:
			return errLeaseEnded
		case state == spent:
			_, err = c.exec(deleteBody, t.id)
		}
		return err
	})
	if err != nil {
		return err
	}
	t.history = attempts
	if d.Disposition != engine.Retry {
		b.space.add(-1)
	}
	return nil
}
