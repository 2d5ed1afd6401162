package jetstreaminbox

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// streamAndSubject returns the stream and the subject of the messages that a filter may select.
func (b *Inbox) streamAndSubject(f inbox.Filter) (s jetstream.Stream, subject string) {
	vendor, endpoint, id := "*", "*", "*"
	if f.Vendor != "" {
		vendor = token(f.Vendor)
	}
	if f.Endpoint != "" {
		endpoint = token(f.Endpoint)
	}
	if f.ID != "" {
		id = f.ID
	}
	if f.State == inbox.Deferred {
		return b.deferredStream(), b.subject(kindDeferred, vendor, endpoint, id)
	}
	return b.deadLetterStream(), b.subject(kindDeadLetter, vendor, endpoint, id)
}

// eachEntry calls do for the dead letters or deferred deliveries that a filter selects.
func (b *Inbox) eachEntry(ctx context.Context, f inbox.Filter, do func(jetstream.Stream, *jetstream.RawStreamMsg, *message, inbox.Entry) (bool, error)) error {
	if err := engine.CheckFilter(f); err != nil {
		return err
	}
	found := false
	if f.ID == "" || isDigest(f.ID) {
		stream, subject := b.streamAndSubject(f)
		err := each(ctx, stream, subject, func(raw *jetstream.RawStreamMsg) (bool, error) {
			m, _ := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time) // a message that cannot be decoded is shown as it is
			e := inbox.Entry{
				ID: raw.Subject[strings.LastIndexByte(raw.Subject, '.')+1:], State: cmp.Or(f.State, inbox.DeadLettered),
				Delivery: m.toRun(), Attempts: m.attempts,
			}
			if e.State == inbox.DeadLettered {
				e.Since = raw.Time.UTC()
			}
			if !f.Matches(&e) {
				return true, nil
			}
			found = true
			return do(stream, raw, m, e)
		})
		if err != nil {
			return b.explainTimeout(err)
		}
	}
	if !found && f.ID != "" {
		return fmt.Errorf("jetstreaminbox: %w: %s", inbox.ErrNotFound, f.ID)
	}
	return nil
}

// DeadLetters implements [inbox.Inbox]. It reads the messages one by one, each with its body. The server selects by ID,
// vendor and endpoint. DeadLetters also reads the messages that the filter's other fields exclude.
func (b *Inbox) DeadLetters(ctx context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		err := b.eachEntry(ctx, f, func(_ jetstream.Stream, _ *jetstream.RawStreamMsg, _ *message, e inbox.Entry) (bool, error) {
			return yield(e, nil), nil
		})
		if err != nil {
			yield(inbox.Entry{}, err)
		}
	}
}

// Retry implements [inbox.Inbox].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return b.requeueAll(ctx, f, 0)
}

// Rerun implements [inbox.Inbox].
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	return b.requeueAll(ctx, f, 1)
}

func (b *Inbox) requeueAll(ctx context.Context, f inbox.Filter, reruns int) (n int, err error) {
	err = b.eachEntry(ctx, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message, _ inbox.Entry) (bool, error) {
		m.state = state{Rerun: m.state.Rerun + reruns}
		exists, err := b.requeue(ctx, from, raw, m)
		if exists {
			n++
		}
		return true, err
	})
	return n, err
}

// Discard implements [inbox.Inbox]. The same delivery is a duplicate as long as JetStream recognizes it. After that, the
// store recognizes it only if a callback had completed it.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (n int, err error) {
	err = b.eachEntry(ctx, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, _ *message, _ inbox.Entry) (bool, error) {
		exists, err := b.delete(ctx, from, raw.Sequence)
		if exists {
			n++
		}
		return true, err
	})
	return n, err
}
