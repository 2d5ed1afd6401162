package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errUnusable is wrapped by the errors about a stream that is gone, or that must not be used.
var errUnusable = errors.New("deliveries are refused until New has opened the inbox again")

// examine returns an error if one of the streams is gone, or was changed so that it must not be used. It logs when the
// streams become unusable, and when they can be used again.
func (b *Inbox) examine(ctx context.Context) error {
	err := b.checkStreams(ctx, func(jetstream.StreamConfig) error { return nil })
	switch {
	case errors.Is(err, errUnusable):
		if !b.unusable.Swap(true) {
			b.options.Policy.Logger.Error("inbox: a stream is gone or must not be used; deliveries are refused with 503", "stream", b.name, "error", err)
		}
	case err == nil:
		if b.unusable.Swap(false) {
			b.options.Policy.Logger.Warn("inbox: all streams can be used again; what the old ones held is lost if they were created again", "stream", b.name)
		}
	}
	return err
}

// checkStreams checks the streams as they are now. It calls more for each that can be used.
func (b *Inbox) checkStreams(ctx context.Context, more func(got jetstream.StreamConfig) error) error {
	for i, want := range b.configs() {
		info, err := b.streams[i].Info(ctx)
		switch {
		case code(err) == jetstream.JSErrCodeStreamNotFound:
			return fmt.Errorf("jetstream: stream %s was deleted while in use: %w: %w", want.Name, errUnusable, err)
		case err != nil:
			return b.explain(want, err)
		}
		if err := b.check(want, info.Config); err != nil {
			return fmt.Errorf("%w: %w", err, errUnusable)
		}
		if err := more(info.Config); err != nil {
			return err
		}
	}
	return nil
}

// suggestsLoss reports whether an error may mean that a stream is gone.
func suggestsLoss(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) ||
		code(err) == jetstream.JSErrCodeStreamNotFound || code(err) == codeOtherStream
}

const codeOtherStream = 10060 // another stream has the subject: the expected stream does not match

// explainTimeout adds the server's last permissions violation to the error of a request that was not answered: the server
// does not answer a request that it refuses, and reports the violation to the connection alone.
func (b *Inbox) explainTimeout(err error) error {
	last := b.nc.LastError()
	if !errors.Is(last, nats.ErrPermissionViolation) ||
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, errNoAnswer) {
		return err
	}
	return fmt.Errorf("%w; the server's last refusal on this connection: %w", err, last)
}

// sayEvery is how often the same trouble is logged: it is met by every delivery.
const sayEvery = 5 * time.Second

// report logs what went wrong and is tried again.
func (b *Inbox) report(err error) {
	last, now := b.saidAt.Load(), time.Now().UnixNano()
	if now-last < int64(sayEvery) || !b.saidAt.CompareAndSwap(last, now) {
		return
	}
	b.options.Policy.Logger.Warn("inbox: JetStream did not do what it was asked; it is asked again", "stream", b.name, "error", b.explainTimeout(err))
	if suggestsLoss(err) {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		_ = b.examine(ctx) // logs
	}
}
