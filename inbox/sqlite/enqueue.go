package sqliteinbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// digest returns the first half of the SHA-256 of a key. At 128 bits, no two keys collide by chance. Only the sender
// could try to construct a collision, and would harm only its deliveries.
func digest(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:16]
}

const (
	insertEntry = `INSERT INTO aihooks_inbox (key, handler, type, delivery_id, received_at, state, due_at)
VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT (key) DO NOTHING`
	insertBody = `INSERT INTO aihooks_inbox_body (id, meta, body) VALUES (?1, ?2, ?3)`
	hasKey     = `SELECT 1 FROM aihooks_inbox WHERE key = ?1`
	otherBody  = `SELECT 1 FROM aihooks_inbox AS e JOIN aihooks_inbox_body AS b ON b.id = e.id WHERE e.key = ?1 AND b.body <> ?2`
)

// Enqueue implements [webhook.Inbox]. It stores d unless a delivery with the same first key is stored, and returns once
// the delivery would survive a loss of power.
//
// The error wraps [webhook.ErrInboxFull] past Options.MaxPending or below Options.MinFree; a stored delivery is still
// reported as a duplicate. The error wraps [webhook.ErrOtherContent] if the stored delivery has another body, until that
// body is purged.
func (b *Inbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	if len(d.Keys) == 0 {
		return false, errors.New("sqliteinbox: a delivery without keys cannot be stored")
	}
	if err := b.usable(); err != nil {
		return false, err
	}
	key := digest(d.Keys[0])
	full := b.space.check(ctx, b)
	if full == nil {
		full = b.space.checkType(ctx, b, endpointName(d.Vendor, d.Endpoint), d.Type)
	}
	if full != nil {
		if found, err := b.has(ctx, hasKey, key); err == nil && found {
			return true, nil
		}
		return false, full
	}
	meta, err := encode(d)
	if err != nil {
		return false, err
	}
	ctx, cancel := withMargin(ctx)
	defer cancel()
	err = b.writer.run(ctx, func(c *conn) error {
		duplicate = false
		result, err := c.ExecContext(ctx, insertEntry, key, endpointName(d.Vendor, d.Endpoint), d.Type, d.ID,
			d.ReceivedAt.UnixNano(), milliseconds(time.Now()))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			duplicate = true
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		body := d.Body
		if body == nil {
			body = []byte{}
		}
		_, err = c.exec(insertBody, id, meta, body)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sqliteinbox: enqueue: %w", err)
	}
	if err := b.files.check(time.Now()); err != nil { // otherwise this delivery may be in a file that was removed
		return false, err
	}
	if !duplicate {
		b.space.add(1)
		b.wake(endpointName(d.Vendor, d.Endpoint))
		return false, nil
	}
	if other, err := b.has(ctx, otherBody, key, d.Body); err == nil && other {
		return true, fmt.Errorf("sqliteinbox: enqueue: %w", webhook.ErrOtherContent)
	}
	return true, nil
}

// withMargin returns a context that ends a little before ctx does. A caller that gives up when ctx ends still gets the
// error that names the cause.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/20))
}

// has reports whether the query finds a row.
func (b *Inbox) has(ctx context.Context, query string, args ...any) (bool, error) {
	var one int
	rows, err := b.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	err = eachRow(rows, func(scan func(...any) error) error { return scan(&one) })
	return one == 1, err
}
