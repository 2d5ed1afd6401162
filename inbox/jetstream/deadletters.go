package jetstreaminbox

import (
	"context"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// subjectOf returns the subject of the messages of a kind that a filter may select.
func (n names) subjectOf(kind string, f inbox.Filter) string {
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
	switch {
	case vendor == "*" && endpoint == "*" && id == "*":
		return n.subject(kind, all) // this is the stream's own subject, for which the server needs no search
	case kind == kindIn:
		return n.subject(kind, vendor, endpoint)
	default:
		return n.subject(kind, vendor, endpoint, id)
	}
}

// eachEntry calls do for the dead letters or deferred deliveries that a filter selects.
func (b *Inbox) eachEntry(ctx context.Context, f inbox.Filter, do func(jetstream.Stream, *jetstream.RawStreamMsg, *message, inbox.Entry) (bool, error)) error {
	if err := engine.CheckFilter(f); err != nil {
		return err
	}
	exists := false
	if f.ID == "" || isDigest(f.ID) {
		kind := kindDeadLetter
		if f.State == inbox.Deferred {
			kind = kindDeferred
		}
		stream := b.streamOf(kind)
		err := each(ctx, stream, b.subjectOf(kind, f), func(raw *jetstream.RawStreamMsg) (bool, error) {
			s, m := b.storedEntryOf(kind, raw)
			if !f.Matches(&s.entry) {
				return true, nil
			}
			exists = true
			return do(stream, raw, m, s.entry)
		})
		if err != nil {
			return b.explainTimeout(err)
		}
	}
	if !exists && f.ID != "" {
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

// Retry implements [inbox.Operator].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return b.requeueAll(ctx, inbox.ActionRetry, f, 0)
}

// Rerun implements [inbox.Operator].
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	return b.requeueAll(ctx, inbox.ActionRerun, f, 1)
}

func (b *Inbox) requeueAll(ctx context.Context, a inbox.Action, f inbox.Filter, reruns int) (int, error) {
	return b.change(ctx, a, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message) (bool, error) {
		return b.requeue(ctx, from, raw, m, state{Rerun: m.state.Rerun + reruns})
	})
}

// Discard implements [inbox.Operator]. The same delivery is a duplicate as long as JetStream recognizes it. After that, the
// store recognizes it only if a callback had completed it.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	return b.change(ctx, inbox.ActionDiscard, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, _ *message) (bool, error) {
		return b.delete(ctx, from, raw.Sequence)
	})
}

// change calls do for each entry that the filter selects, with a record of the operation. It returns how often do has
// changed something.
func (b *Inbox) change(ctx context.Context, a inbox.Action, f inbox.Filter, do func(jetstream.Stream, *jetstream.RawStreamMsg, *message) (bool, error)) (int, error) {
	return b.controls.Audited(ctx, a, f, func(begin func() error) (n int, err error) {
		err = b.eachEntry(ctx, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message, _ inbox.Entry) (bool, error) {
			if err := begin(); err != nil {
				return false, err
			}
			changed, err := do(from, raw, m)
			if changed {
				n++
			}
			return true, err
		})
		if err == nil && n == 0 && f.ID != "" { // another operator was faster
			err = fmt.Errorf("jetstreaminbox: %w: %s", inbox.ErrNotFound, f.ID)
		}
		return n, err
	})
}
