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

// Enqueue implements [webhook.Inbox]. It publishes d, unless JetStream has a message with the same first key. It returns
// once the stream has acknowledged the message. The error wraps [webhook.ErrInboxFull] if the stream or its server is
// full.
func (b *Inbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	if b.attached {
		return false, errAttached
	}
	if len(d.Keys) == 0 {
		return false, errors.New("jetstreaminbox: the delivery must have a key")
	}
	msg, err := (&message{delivery: d}).encode(b.in(d.Vendor, d.Endpoint))
	if err != nil {
		return false, err
	}
	ctx, cancel := withMargin(ctx)
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
	return false, fmt.Errorf("jetstreaminbox: enqueue: %w", b.explainTimeout(err))
}

// withMargin returns a context that ends a little before ctx. Otherwise the caller would give up before it gets the
// error that says what took too long.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/20))
}

// The server's error codes for a full or busy stream.
const (
	codeAccountFull  = 10002
	codeServerFull   = 10023
	codeDiskFull     = 10047
	codeStoreFailed  = 10077 // for one of several reasons
	codeStillWriting = 10158 // the same message is being stored at this moment
)

const stillWritingPause = 5 * time.Millisecond

// publish stores a message under an id in a stream, unless the stream has a message of that id. It returns once the
// message is acknowledged. The expected stream is required: another stream with the same subject could acknowledge the
// message, and no Run reads that stream.
func (b *Inbox) publish(ctx context.Context, stream string, msg *nats.Msg, id string) (duplicate bool, err error) {
	msg.Header[jetstream.MsgIDHeader] = []string{id}
	for {
		ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(stream))
		switch {
		case err == nil:
			return ack.Duplicate, nil
		case code(err) != codeStillWriting:
			return false, publishError(err)
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(stillWritingPause):
		}
	}
}

// publishError wraps a publish error with its meaning for an inbox.
func publishError(err error) error {
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
