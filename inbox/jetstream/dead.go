package jetstreaminbox

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
)

// selects is the stream and the subject of the messages that a filter may select.
func (b *Inbox) selects(f inbox.Filter) (s jetstream.Stream, subject string) {
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
	if f.State == inbox.Waiting {
		return b.asideStream(), b.subject(kindWait, vendor, endpoint, id)
	}
	return b.deadStream(), b.subject(kindDead, vendor, endpoint, id)
}

// letters goes through the dead letters, or the deliveries without a callback, that a filter selects.
func (b *Inbox) letters(ctx context.Context, f inbox.Filter, do func(jetstream.Stream, *jetstream.RawStreamMsg, *message, inbox.Entry) (bool, error)) error {
	if err := f.Check(); err != nil {
		return err
	}
	found := false
	if f.ID == "" || isDigest(f.ID) {
		stream, subject := b.selects(f)
		err := each(ctx, stream, subject, func(raw *jetstream.RawStreamMsg) (bool, error) {
			m, _ := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time) // what cannot be read is shown as it is
			e := inbox.Entry{
				ID: raw.Subject[strings.LastIndexByte(raw.Subject, '.')+1:], State: cmp.Or(f.State, inbox.Dead),
				Delivery: m.running(), Attempts: m.attempts,
			}
			if e.State == inbox.Dead {
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
		return fmt.Errorf("jetstream: %w: %s", inbox.ErrNotFound, f.ID)
	}
	return nil
}

// Dead implements [inbox.Inbox]. It reads one dead letter after the other, each with its body: the server selects by ID,
// vendor and endpoint, and Dead reads what the other fields of the filter leave out as well.
func (b *Inbox) Dead(ctx context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		err := b.letters(ctx, f, func(_ jetstream.Stream, _ *jetstream.RawStreamMsg, _ *message, e inbox.Entry) (bool, error) {
			return yield(e, nil), nil
		})
		if err != nil {
			yield(inbox.Entry{}, err)
		}
	}
}

// Retry implements [inbox.Inbox].
func (b *Inbox) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return b.revive(ctx, f, 0)
}

// Rerun implements [inbox.Inbox].
func (b *Inbox) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	return b.revive(ctx, f, 1)
}

func (b *Inbox) revive(ctx context.Context, f inbox.Filter, reruns int) (n int, err error) {
	err = b.letters(ctx, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message, _ inbox.Entry) (bool, error) {
		m.state = state{Rerun: m.state.Rerun + reruns}
		there, err := b.again(ctx, from, raw, m)
		if there {
			n++
		}
		return true, err
	})
	return n, err
}

// Discard implements [inbox.Inbox]. The same delivery is a duplicate for as long as JetStream recognises it; after that the
// store knows it, if a callback had completed it.
func (b *Inbox) Discard(ctx context.Context, f inbox.Filter) (n int, err error) {
	err = b.letters(ctx, f, func(from jetstream.Stream, raw *jetstream.RawStreamMsg, _ *message, _ inbox.Entry) (bool, error) {
		there, err := b.delete(ctx, from, raw.Sequence)
		if there {
			n++
		}
		return true, err
	})
	return n, err
}
