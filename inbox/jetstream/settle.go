package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// tryTimeout is the timeout of one try to record something.
const tryTimeout = 5 * time.Second

// errLeaseEnded means that another process may have the delivery.
var errLeaseEnded = fmt.Errorf("jetstreaminbox: %w", engine.ErrLeaseEnded)

// try calls f once for a delivery. If the connection is closed, the lease will end.
func (t *fetched) try(ctx context.Context, f func(ctx context.Context, t *fetched) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	err := f(ctx, t)
	if err != nil && !errors.Is(err, errLeaseEnded) && t.run.box.nc.IsClosed() {
		return fmt.Errorf("%w: %w", errLeaseEnded, err)
	}
	return err
}

// retry calls f until it succeeds, or the lease or the Run has ended. It reports whether f succeeded.
func (t *fetched) retry(f func(ctx context.Context, t *fetched) error) bool {
	return t.run.dispatcher.Retry(t, func(ctx context.Context) error { return t.try(ctx, f) })
}

// Delivery implements [engine.Lease].
func (t *fetched) Delivery() (d *webhook.Delivery, tried int, err error) {
	return t.delivery, t.state.Tried + 1, t.undecodable
}

// Record implements [engine.Lease].
func (t *fetched) Record(ctx context.Context, d engine.Decision) error {
	b := t.run.box
	if d.Disposition == engine.Complete {
		return t.try(ctx, b.remove)
	}
	if !t.isAdded { // Record is called again after an error
		t.add(d.Attempt)
		t.isAdded = true
	}
	switch d.Disposition {
	case engine.DeadLetter:
		return t.try(ctx, b.deadLetter)
	case engine.Defer:
		return t.try(ctx, b.deferDelivery)
	default:
		if !t.isRecorded {
			t.due = time.Now().Add(d.After)
		}
		return t.try(ctx, b.postpone)
	}
}

// GiveBack implements [engine.Lease].
func (t *fetched) GiveBack(ctx context.Context) error {
	return t.try(ctx, func(ctx context.Context, t *fetched) error {
		if err := t.run.box.loadRecord(ctx, t); err != nil {
			return err
		}
		return t.run.box.postpone(ctx, t)
	})
}

// Free implements [engine.Lease].
func (t *fetched) Free() {
	if t.suspect {
		t.run.box.active.FreeSuspect()
	}
	t.run.dropLease(t)
}

// Entry implements [engine.Lease].
func (t *fetched) Entry() inbox.Entry {
	return inbox.Entry{ID: t.id(), State: inbox.DeadLettered, Delivery: t.delivery, Attempts: t.attempts, Since: t.since.UTC()}
}

// The acknowledgements of the NATS protocol.
var (
	ackAck      = []byte("+ACK")
	ackProgress = []byte("+WPI")
)

// ack sends an acknowledgement for a message, and returns once the server has confirmed it.
func (b *Inbox) ack(ctx context.Context, t *fetched, kind []byte) error {
	if _, err := b.nc.RequestWithContext(ctx, t.reply, kind); err != nil {
		return fmt.Errorf("jetstreaminbox: acknowledge: %w", err)
	}
	return nil
}

// remove acknowledges a delivery that is completed, or has been moved. Any process may do so: the store has accepted
// only one completion.
func (b *Inbox) remove(ctx context.Context, t *fetched) error {
	if err := b.ack(ctx, t, ackAck); err != nil {
		return err
	}
	if t.recordSeq > 0 { // if this fails, purge deletes the record later
		_ = b.deferredStream().DeleteMsg(ctx, t.recordSeq)
	}
	return nil
}

// longestNak is the longest delay of a NAK. The server adds times without an overflow check, so a very long delay has no
// effect.
const longestNak = 24 * time.Hour

// postpone writes the attempt record, and then makes the server deliver the message again once it is due.
func (b *Inbox) postpone(ctx context.Context, t *fetched) error {
	if err := t.checkLease(); err != nil {
		return err
	}
	if err := b.writeRecord(ctx, t); err != nil {
		return err
	}
	nak := "-NAK"
	if d := min(time.Until(t.due), longestNak); d > 0 {
		nak += ` {"delay":` + strconv.FormatInt(int64(d), 10) + `}`
	}
	return b.ack(ctx, t, []byte(nak))
}

// deadLetter stores the dead letter first, and then removes the delivery. If the process crashes in between, the next
// one finds the dead letter.
func (b *Inbox) deadLetter(ctx context.Context, t *fetched) error {
	return b.move(ctx, t, kindDeadLetter, b.deadLetters())
}

// deferDelivery moves the delivery to the stream where it waits for a callback.
func (b *Inbox) deferDelivery(ctx context.Context, t *fetched) error {
	return b.move(ctx, t, kindDeferred, b.deferred())
}

// move stores the delivery in another stream, and then removes it from the main stream.
func (b *Inbox) move(ctx context.Context, t *fetched, kind, stream string) error {
	if err := t.checkLease(); err != nil {
		return err
	}
	m := t.message
	m.state.From = t.position.String()
	msg, err := m.encode(b.entrySubject(kind, m.delivery.Vendor, m.delivery.Endpoint, t.id()))
	if err != nil {
		return err
	}
	if _, err := b.publish(ctx, stream, msg, kind+"/"+t.position.String()); err != nil {
		return fmt.Errorf("jetstreaminbox: %s: %w", kind, err)
	}
	t.since = time.Now()
	return b.removeMoved(ctx, t)
}

// removeMoved removes a delivery that is stored in another stream. If the server does not confirm that, the lease ends, so
// that the delivery does not keep its slot for ever. The server does not confirm it for a message that it will deliver
// again, as after its consumer was deleted. The next delivery needs a slot, and then finds the stored one.
func (b *Inbox) removeMoved(ctx context.Context, t *fetched) error {
	if err := t.checkLease(); err != nil {
		return err
	}
	err := b.remove(ctx, t)
	if err != nil {
		t.run.letEnd(t)
	}
	return err
}

// isDeadLetter reports whether a process has stored the dead letter, and crashed before it removed the delivery.
func (b *Inbox) isDeadLetter(ctx context.Context, t *fetched) (bool, error) {
	raw, err := b.deadLetterStream().GetLastMsgForSubject(ctx, b.entrySubject(kindDeadLetter, t.message.delivery.Vendor, t.message.delivery.Endpoint, t.id()))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("jetstreaminbox: %w", err)
	}
	m, err := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time)
	if err != nil || m.state.From != t.position.String() {
		return false, nil //nolint:nilerr // it is the dead letter of another message
	}
	t.attempts, t.state, t.since = m.attempts, m.state, raw.Time
	return true, nil
}
