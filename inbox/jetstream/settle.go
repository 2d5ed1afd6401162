package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a server is told of a message.
var (
	acknowledge = []byte("+ACK")
	progress    = []byte("+WPI")
)

// tell tells the server what has become of a message, and returns once it has heard.
func (b *Inbox) tell(ctx context.Context, t *taken, what []byte) error {
	if _, err := b.nc.RequestWithContext(ctx, t.reply, what); err != nil {
		return fmt.Errorf("jetstream: acknowledge: %w", err)
	}
	return nil
}

// remove ends a delivery that is done, or is elsewhere by now. That is right whoever has it: the store has accepted one
// completion.
func (b *Inbox) remove(ctx context.Context, t *taken) error {
	if err := b.tell(ctx, t, acknowledge); err != nil {
		return err
	}
	if t.noteSeq > 0 { // what is left of it is swept up later
		_ = b.asideStream().DeleteMsg(ctx, t.noteSeq)
	}
	return nil
}

// longestNak is how long the server is asked to wait at the most. It adds times without a look at their size, and one that is
// too long would be none.
const longestNak = 24 * time.Hour

// postpone has the delivery given to whoever asks once it is due, and puts down what has become of it so far before.
func (b *Inbox) postpone(ctx context.Context, r *run, t *taken) error {
	if !r.leased(t) {
		return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
	}
	if err := b.writeNote(ctx, r, t); err != nil {
		return err
	}
	nak := "-NAK"
	if d := min(time.Until(t.due), longestNak); d > 0 {
		nak += ` {"delay":` + strconv.FormatInt(int64(d), 10) + `}`
	}
	return b.tell(ctx, t, []byte(nak))
}

// deadLetter makes a dead letter of the delivery: that one is stored first, and then this one ends. If the process dies in
// between, the next one finds the dead letter.
func (b *Inbox) deadLetter(ctx context.Context, r *run, t *taken) error {
	return b.move(ctx, r, t, kindDeadLetter, b.dead())
}

// deferDelivery puts the delivery where it waits for a callback.
func (b *Inbox) deferDelivery(ctx context.Context, r *run, t *taken) error {
	return b.move(ctx, r, t, kindDeferred, b.aside())
}

// move stores the delivery elsewhere, and then ends it here.
func (b *Inbox) move(ctx context.Context, r *run, t *taken, kind, stream string) error {
	if !r.leased(t) {
		return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
	}
	m := t.message
	m.state.From = t.position.String()
	msg, err := m.encode(b.aged(kind, m.delivery.Vendor, m.delivery.Endpoint, t.id()))
	if err != nil {
		return err
	}
	if _, err := b.publish(ctx, stream, msg, kind+"/"+t.position.String()); err != nil {
		return fmt.Errorf("jetstream: %s: %w", kind, err)
	}
	t.since = time.Now()
	return b.remove(ctx, t)
}

// isDeadLetter reports whether the delivery is a dead letter, of a process that died before it could end it.
func (b *Inbox) isDeadLetter(ctx context.Context, t *taken) (bool, error) {
	raw, err := b.deadStream().GetLastMsgForSubject(ctx, b.aged(kindDeadLetter, t.message.delivery.Vendor, t.message.delivery.Endpoint, t.id()))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("jetstream: %w", err)
	}
	m, err := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time)
	if err != nil || m.state.From != t.position.String() {
		return false, nil //nolint:nilerr // it is another's
	}
	t.attempts, t.state, t.since = m.attempts, m.state, raw.Time
	return true, nil
}
