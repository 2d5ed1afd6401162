package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errUnusable is wrapped by errors about a stream that was deleted, or that must not be used.
var errUnusable = errors.New("deliveries are refused until New opens the inbox again")

// examine returns an error if a stream was deleted, or was changed so that it must not be used. It logs when the streams
// become unusable, and when they are usable again.
func (b *Inbox) examine(ctx context.Context) error {
	began := b.examinations.Add(1)
	err := b.checkStreams(ctx, func(jetstream.StreamConfig) error { return nil })
	unusable := errors.Is(err, errUnusable)
	if err != nil && !unusable {
		return err
	}
	b.examining.Lock()
	defer b.examining.Unlock()
	if began < b.examined { // it may have seen a stream that an examination begun later found deleted
		return err
	}
	b.examined = began
	switch before := b.unusable.Swap(unusable); {
	case unusable && !before:
		b.options.Policy.Logger.Error("inbox: a stream was deleted or must not be used; deliveries are refused with 503", "stream", b.name, "error", err)
	case before && !unusable:
		b.options.Policy.Logger.Warn("inbox: all streams are usable again; deliveries in a deleted stream are lost", "stream", b.name)
	}
	return err
}

// checkStreams checks the current streams. It calls more for each usable one.
func (b *Inbox) checkStreams(ctx context.Context, more func(got jetstream.StreamConfig) error) error {
	for i, want := range b.configs() {
		info, err := b.streams[i].Info(ctx)
		switch {
		case code(err) == jetstream.JSErrCodeStreamNotFound:
			return fmt.Errorf("jetstreaminbox: stream %s was deleted while in use: %w: %w", want.Name, errUnusable, err)
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

// suggestsLoss reports whether an error may mean that a stream was deleted.
func suggestsLoss(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errConsumerRefused) ||
		code(err) == jetstream.JSErrCodeStreamNotFound || code(err) == codeOtherStream
}

const codeOtherStream = 10060 // expected stream does not match: another stream has the subject

// explainTimeout adds the server's last permissions violation to a timeout error. The server does not respond to a
// request that it refuses, and reports the violation only on the connection.
func (b *Inbox) explainTimeout(err error) error {
	last := b.nc.LastError()
	if !errors.Is(last, nats.ErrPermissionViolation) ||
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, errNoResponse) {
		return err
	}
	return fmt.Errorf("%w; the connection's last permissions violation: %w", err, last)
}

// reportEvery is the minimum time between two log lines about failed requests: an outage affects every delivery.
const reportEvery = 5 * time.Second

// report logs an error after which the inbox retries.
func (b *Inbox) report(err error) {
	if !b.active.MayReport(reportEvery) {
		return
	}
	b.options.Policy.Logger.Warn("inbox: a JetStream request failed; retrying", "stream", b.name, "error", b.explainTimeout(err))
	if suggestsLoss(err) {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		defer cancel()
		_ = b.examine(ctx) // logs
	}
}
