package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// runRestored runs the handler's deliveries that a server which was killed has restored. Such a server may remember that a
// delivery was acknowledged, but not that it was removed. Without replicas, it then keeps the message, and never delivers it
// again.
//
// The delivery was most likely completed. The store knows, so a copy is published and the message is removed. A message that was
// acknowledged after the previous call is left for the next one, because the server may be about to remove it.
func (h *handlerRun) runRestored(ctx context.Context) error {
	b := h.run.box
	consumer, err := b.mainStream().CreateConsumer(ctx, h.config()) // returns the one that exists, and needs no other permission
	switch {
	case errors.Is(err, jetstream.ErrConsumerExists): // with the lease of another process
		return nil
	case err != nil:
		return fmt.Errorf("jetstreaminbox: the consumer of %s/%s: %w", h.Vendor(), h.Endpoint(), err)
	}
	floor := consumer.CachedInfo().AckFloor.Stream // the server delivers no message up to here again
	last := min(h.floor, floor)
	h.floor = floor
	n := 0
	err = eachBetween(ctx, b.mainStream(), b.in(h.Vendor(), h.Endpoint()), 1, last, func(raw *jetstream.RawStreamMsg) (bool, error) {
		n++
		err := h.runAgain(ctx, raw)
		return err == nil, err
	})
	if n > 0 {
		b.options.Policy.Logger.Warn("inbox: the server has restored acknowledged deliveries; the store prevents that they take effect twice",
			"stream", b.name, "vendor", h.Vendor(), "endpoint", h.Endpoint(), "restored", n)
	}
	return err
}

// runAgain replaces a message by a copy, which the server delivers. If the delivery is a dead letter, it only removes the message.
func (h *handlerRun) runAgain(ctx context.Context, raw *jetstream.RawStreamMsg) error {
	b := h.run.box
	t := &fetched{
		run: h.run, position: position{raw.Sequence, raw.Time},
		reply: fmt.Sprintf("$JS.ACK.%s.%s.1.%d.0.%d.0", b.main(), consumerName(h.Vendor(), h.Endpoint()), raw.Sequence, raw.Time.UnixNano()),
	}
	m, _ := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time) // if it cannot be decoded, its copy becomes a dead letter
	t.message = *m
	isDeadLetter, err := b.isDeadLetter(ctx, t)
	if err != nil {
		return err
	}
	if !isDeadLetter {
		if _, err := b.publish(ctx, b.main(), copyOf(raw), "restored/"+t.position.String()); err != nil {
			return fmt.Errorf("jetstreaminbox: %w", err)
		}
	}
	return b.remove(ctx, t)
}

// copyOf returns a stored message for another publish.
func copyOf(raw *jetstream.RawStreamMsg) *nats.Msg {
	msg := &nats.Msg{Subject: raw.Subject, Header: make(nats.Header), Data: raw.Data}
	for name, values := range raw.Header {
		if !strings.HasPrefix(name, "Nats-") { // those were for the first publish
			msg.Header[name] = values
		}
	}
	return msg
}
