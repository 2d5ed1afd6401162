package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

const (
	endEntry = `UPDATE aihooks_inbox SET state = ?1, due_at = ?2, owner = NULL, tried = tried - ?3, attempts = ?4
WHERE id = ?5 AND owner = ?6 AND takes = ?7 AND state = 1`

	// A delivery that is given back has no trace of the attempt.
	giveBack = `UPDATE aihooks_inbox SET state = ?5, due_at = ?1, owner = NULL, tried = tried - 1
WHERE id = ?2 AND owner = ?3 AND takes = ?4 AND state = 1`

	deleteBody = `DELETE FROM aihooks_inbox_body WHERE id = ?1`
)

var errLeaseEnded = fmt.Errorf("sqliteinbox: %w", engine.ErrLeaseEnded)

// Record implements [engine.Lease].
func (t *taken) Record(ctx context.Context, d engine.Decision) error {
	r := t.run
	err := t.settle(ctx, d)
	if err != nil && !errors.Is(err, errLeaseEnded) {
		r.unrecorded.Store(&err)
		return err
	}
	r.unrecorded.Store(nil)
	if err == nil && d.Disposition == engine.Retry && d.After < r.box.options.Poll {
		time.AfterFunc(d.After, func() { r.box.wake(t.handler()) })
	}
	return err
}

// settle stores the outcome of a delivery that has run.
func (t *taken) settle(ctx context.Context, d engine.Decision) error {
	b := t.run.box
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
		n, err := c.exec(endEntry, state, milliseconds(at), uncounted, history, t.id, t.run.owner[:], t.takes)
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

// GiveBack implements [engine.Lease]. It does not end with ctx, because the file may be locked for longer.
func (t *taken) GiveBack(ctx context.Context) error {
	return t.run.box.writer.run(context.WithoutCancel(ctx), func(c *conn) error {
		state := pending
		if t.suspect {
			state = suspect
		}
		_, err := c.exec(giveBack, milliseconds(time.Now()), t.id, t.run.owner[:], t.takes, state)
		return err
	})
}

// Free implements [engine.Lease].
func (t *taken) Free() {
	if t.suspect {
		t.run.box.active.FreeSuspect()
		t.run.box.wake(t.handler())
	}
}

// Entry implements [engine.Lease].
func (t *taken) Entry() inbox.Entry {
	return inbox.Entry{
		ID: strconv.FormatInt(t.id, 10), State: inbox.DeadLettered, Delivery: t.delivery, Attempts: t.history, Since: time.Now().UTC(),
	}
}

func (t *taken) handler() string { return endpointName(t.delivery.Vendor, t.delivery.Endpoint) }
