package sqliteinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A taken is a delivery that a Run has leased.
type taken struct {
	run      *run
	id       int64
	takes    int64
	tried    int
	rerun    int
	history  []inbox.Attempt
	delivery *webhook.Delivery
	suspect  bool  // it occupies the slot of engine.Runs
	readErr  error // why the delivery could not be read
}

// Delivery implements [engine.Lease].
func (t *taken) Delivery() (d *webhook.Delivery, tried int, err error) {
	return t.delivery, t.tried, t.readErr
}

const (
	takeDue = `UPDATE aihooks_inbox SET state = 1, owner = ?1, due_at = ?2, began_at = ?3, takes = takes + 1, tried = tried + 1
WHERE id IN (SELECT id FROM aihooks_inbox WHERE state = ?6 AND handler = ?4 AND due_at <= ?3 ORDER BY due_at LIMIT ?5)
RETURNING id, handler, type, delivery_id, received_at, takes, tried, rerun, coalesce(attempts, '')`
	selectBody = `SELECT meta, body FROM aihooks_inbox_body WHERE id = ?1`
)

// A quota is how many deliveries of a handler may be taken.
type quota struct {
	handler string
	n       int
}

// takeOnce takes due deliveries in one operation, and returns them by handler. If slot is true, one of them may be a
// suspect.
func (r *run) takeOnce(ctx context.Context, quotas []quota, slot bool) (map[string][]*taken, error) {
	var got map[string][]*taken
	err := r.box.writer.run(ctx, func(c *conn) error {
		got = make(map[string][]*taken, len(quotas))
		now, open := time.Now(), slot
		for _, q := range quotas {
			takeSome := func(state, n int) error {
				return c.each(takeDue, []any{r.owner[:], milliseconds(now.Add(r.box.options.Lease)), milliseconds(now), q.handler, n, state},
					func(scan func(...any) error) error {
						t, err := r.scanTaken(scan)
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

func (r *run) scanTaken(scan func(...any) error) (*taken, error) {
	t := &taken{run: r, delivery: new(webhook.Delivery)}
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
