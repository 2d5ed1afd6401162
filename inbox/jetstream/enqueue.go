package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/webhook"
)

// Enqueue implements [webhook.Inbox]: it publishes d, unless JetStream knows one with the same first key, and returns once
// the stream has acknowledged it. The error wraps [webhook.ErrInboxFull] when the stream, or its server, takes no more.
func (b *Inbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	if len(d.Keys) == 0 {
		return false, errors.New("jetstream: a delivery without keys cannot be stored")
	}
	msg, err := (&message{delivery: d}).encode(b.in(d.Vendor, d.Endpoint))
	if err != nil {
		return false, err
	}
	ctx, cancel := ahead(ctx)
	defer cancel()
	if b.unusable.Load() {
		if err := b.examine(ctx); err != nil {
			return false, b.explainTimeout(err)
		}
	}
	duplicate, err = b.publish(ctx, b.main(), msg, digest(d.Keys[0]))
	if err == nil {
		return duplicate, nil
	}
	if suggestsLoss(err) {
		err = errors.Join(err, b.examine(ctx))
	}
	return false, fmt.Errorf("jetstream: enqueue: %w", b.explainTimeout(err))
}

// ahead returns a context that ends a little before ctx does: whoever gives up at that time would not hear any more
// what it was that took so long.
func ahead(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/20))
}

// The error codes of a server that takes no more, or not yet.
const (
	codeAccountFull  = 10002
	codeServerFull   = 10023
	codeDiskFull     = 10047
	codeStoreFailed  = 10077 // for one of several reasons
	codeStillWriting = 10158 // the same message is being stored at this moment
)

const stillWritingPause = 5 * time.Millisecond

// publish stores a message under an id in a stream, unless there is one of that id, and returns once that is durable. Another
// stream that has the subject must not acknowledge it: deliveries are not run from there.
func (b *Inbox) publish(ctx context.Context, stream string, msg *nats.Msg, id string) (duplicate bool, err error) {
	msg.Header[jetstream.MsgIDHeader] = []string{id}
	for {
		ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(stream))
		switch {
		case err == nil:
			return ack.Duplicate, nil
		case code(err) != codeStillWriting:
			return false, why(err)
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(stillWritingPause):
		}
	}
}

// why says what an error of publishing means for an inbox.
func why(err error) error {
	switch c := code(err); {
	case c == codeAccountFull, c == codeServerFull, c == codeDiskFull,
		c == codeStoreFailed && strings.Contains(err.Error(), "maximum"):
		return fmt.Errorf("%w: %w", webhook.ErrInboxFull, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("the message is longer than the server's max_payload: %w", err)
	default:
		return err
	}
}
