package sqliteinbox

import (
	"context"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox/engine"
)

const (
	renew = `UPDATE aihooks_inbox SET due_at = ?1 WHERE state = 1 AND owner = ?2`

	selectLost = `SELECT id, handler, type, delivery_id, received_at, takes, tried, rerun, coalesce(attempts, ''), began_at FROM aihooks_inbox
WHERE state = 1 AND due_at <= ?1 AND owner IS NOT ?2 LIMIT ?3`
	endLost = `UPDATE aihooks_inbox SET state = ?1, due_at = ?2, owner = NULL, tried = tried - ?3, attempts = ?4
WHERE id = ?5 AND takes = ?6 AND state = 1`

	nextDeferred = `SELECT handler, type FROM aihooks_inbox WHERE state = 2 AND (handler, type) > (?1, ?2) ORDER BY handler, type LIMIT 1`
	resume       = `UPDATE aihooks_inbox SET ` + requeuedState + `, due_at = ?1
WHERE id IN (SELECT id FROM aihooks_inbox WHERE state = 2 AND handler = ?2 AND type = ?3 LIMIT 1000)`

	// A suspect that is retried, or was paused, is still a suspect: see engine.IsSuspect.
	requeuedState = `state = iif(iif(json_valid(attempts), 'lost' IN (attempts ->> '$[#-1].outcome',
    iif(attempts ->> '$[#-1].outcome' = 'paused', attempts ->> '$[#-2].outcome', '')), 0), 6, 0)`

	nextEndpoint = `SELECT handler FROM aihooks_inbox WHERE state = ?1 AND handler > ?2 ORDER BY handler LIMIT 1`
)

// renew renews the leases of this Run.
func (r *run) renew(ctx context.Context) error {
	return r.box.writer.run(ctx, func(c *conn) error {
		_, err := c.exec(renew, milliseconds(time.Now().Add(r.box.options.Lease)), r.owner[:])
		return err
	})
}

// releaseLost releases the deliveries of other Runs whose leases have ended. It does not release those of this Run, which
// is running them: a full disk may have prevented it from renewing their leases. engine.Lose decides which of them are
// retried and which become dead letters, so that a delivery cannot crash processes forever.
func (r *run) releaseLost(ctx context.Context) error {
	for {
		n, err := r.releaseSome(ctx)
		if err != nil || n < releaseAtOnce {
			return err
		}
	}
}

// releaseAtOnce is how many deliveries one operation releases.
const releaseAtOnce = 100

func (r *run) releaseSome(ctx context.Context) (n int, err error) {
	b := r.box
	var lost, deadLetters []*taken
	err = b.writer.run(ctx, func(c *conn) error {
		lost, deadLetters = nil, nil
		now := time.Now()
		var began []int64
		err := c.each(selectLost, []any{milliseconds(now), r.owner[:], releaseAtOnce}, func(scan func(...any) error) error {
			var at int64
			t, err := r.scanTaken(func(into ...any) error { return scan(append(into, &at)...) })
			lost, began = append(lost, t), append(began, at)
			return err
		})
		if err != nil {
			return err
		}
		for i, t := range lost {
			d := engine.Lose(&b.options.Policy, t.tried-1, engine.IsSuspect(t.history), timeOf(began[i]), "sqliteinbox: the process that ran it was lost: its lease ended without a result")
			t.history = engine.Append(t.history, d.Attempt)
			state, uncounted := suspect, 1
			if d.Attempt.Counted {
				uncounted = 0
			}
			if d.Disposition == engine.DeadLetter {
				state = deadLettered
				if err := t.read(c); err != nil {
					return err
				}
				deadLetters = append(deadLetters, t)
			}
			history, err := writeHistory(t.history)
			if err != nil {
				return err
			}
			if _, err := c.exec(endLost, state, milliseconds(now.Add(d.After)), uncounted, history, t.id, t.takes); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sqliteinbox: release lost deliveries: %w", err)
	}
	for _, t := range lost {
		b.wake(t.handler())
	}
	for _, t := range deadLetters {
		b.space.add(-1)
		r.dispatcher.DeadLetter(t.Entry())
	}
	return len(lost), nil
}

// resume makes deferred deliveries pending again if a handler of this Run has a callback for their type.
func (r *run) resume(ctx context.Context) error {
	b := r.box
	handler, eventType := "", ""
	for {
		found := false
		rows, err := b.reads.QueryContext(ctx, nextDeferred, handler, eventType)
		if err != nil {
			return fmt.Errorf("sqliteinbox: %w", err)
		}
		err = eachRow(rows, func(scan func(...any) error) error {
			found = true
			return scan(&handler, &eventType)
		})
		if err != nil || !found {
			return err
		}
		h := r.handler(handler)
		if h == nil || !h.Handles(eventType) {
			continue
		}
		for n := 1; n > 0; {
			err := b.writer.run(ctx, func(c *conn) (err error) {
				n, err = c.exec(resume, milliseconds(time.Now()), handler, eventType)
				return err
			})
			if err != nil {
				return fmt.Errorf("sqliteinbox: %w", err)
			}
			b.space.add(int64(n))
			b.wake(handler)
		}
	}
}

// lookForAbsent warns of deliveries for which this Run has no handler.
func (r *run) lookForAbsent(ctx context.Context) error {
	absent := func(handler string) error {
		r.dispatcher.Absent(splitEndpoint(handler))
		return nil
	}
	if err := r.box.eachEndpoint(ctx, pending, absent); err != nil {
		return err
	}
	return r.box.eachEndpoint(ctx, suspect, absent)
}

// eachEndpoint calls f for every handler that has entries in a state. It reads one row for each.
func (b *Inbox) eachEndpoint(ctx context.Context, state int, f func(handler string) error) error {
	handler := ""
	for {
		found := false
		rows, err := b.reads.QueryContext(ctx, nextEndpoint, state, handler)
		if err != nil {
			return fmt.Errorf("sqliteinbox: %w", err)
		}
		err = eachRow(rows, func(scan func(...any) error) error {
			found = true
			return scan(&handler)
		})
		if err != nil || !found {
			return err
		}
		if err := f(handler); err != nil {
			return err
		}
	}
}

// logDrained logs the counts of the entries at the end of a Run.
func (b *Inbox) logDrained() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	stats, err := b.Stats(ctx)
	if err != nil {
		return // the line is optional
	}
	b.options.Policy.Logger.Info("inbox: drained", "pending", stats.Pending, "running", stats.Running,
		"deferred", stats.Deferred, "dead_lettered", stats.DeadLettered)
}

// reportEvery limits how often errors are logged, so that a full disk does not fill with log lines.
const reportEvery = 10 * time.Second

// report logs an error of the file, at most once in reportEvery. While the Runs fail, health has logged it already. New
// deliveries may still be stored.
func (b *Inbox) report(err error) {
	if !b.health.isFailing() && b.active.MayReport(reportEvery) {
		b.options.Policy.Logger.Error("inbox: an operation on the file failed; it is tried again", "path", b.path, "error", err)
	}
}
