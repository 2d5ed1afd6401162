package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// maintainEvery is how often a Run looks for deliveries that wait for a callback, or that it was given no handler for.
const maintainEvery = 10 * time.Second

// maintain takes care of what others have left behind, until ctx ends.
func (r *run) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	try := func(f func(context.Context) error) {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			r.box.report(err)
		}
	}
	for first := true; ; first = false {
		try(r.box.examine)
		try(r.resume)
		try(r.lookForAbsent)
		if first {
			try(r.box.sweep)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		case <-tick.C:
		}
	}
}

// each goes through the messages of a stream under a subject, the oldest first. What is stored meanwhile is left out.
func each(ctx context.Context, s jetstream.Stream, subject string, f func(m *jetstream.RawStreamMsg) (more bool, err error)) error {
	info, err := s.Info(ctx)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	for seq := uint64(1); seq <= info.State.LastSeq; {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return fmt.Errorf("jetstream: %w", err)
		case m.Sequence > info.State.LastSeq:
			return nil
		}
		if more, err := f(m); !more || err != nil {
			return err
		}
		seq = m.Sequence + 1
	}
	return nil
}

// resume has deliveries run whose types have a callback now.
func (r *run) resume(ctx context.Context) error {
	b := r.box
	_, err := b.asideStream().GetMsg(ctx, 1, jetstream.WithGetMsgSubject(b.subject(kindDeferred, all)))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // as nearly always: the handlers are many
		return nil
	case err != nil:
		return fmt.Errorf("jetstream: %w", err)
	}
	for _, h := range r.list() {
		err := each(ctx, b.asideStream(), b.subject(kindDeferred, token(h.Vendor()), token(h.Endpoint()), "*"),
			func(raw *jetstream.RawStreamMsg) (bool, error) {
				m, err := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time)
				if err == nil && !h.Handles(m.delivery.Type) {
					return true, nil
				}
				_, err = b.again(ctx, b.asideStream(), raw, m)
				return true, err
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// again stores a message where it is run, and then deletes it where it was. It reports whether it did either: once it is
// stored, it may have been run, and be back, before it can be deleted.
func (b *Inbox) again(ctx context.Context, from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message) (bool, error) {
	msg, err := m.encode(b.in(m.delivery.Vendor, m.delivery.Endpoint))
	if err != nil {
		return false, err
	}
	// One that dies between the two, or two at once, store it once.
	before, err := b.publish(ctx, b.main(), msg, raw.Subject+"/"+position{raw.Sequence, raw.Time}.String())
	if err != nil {
		return false, fmt.Errorf("jetstream: %w", err)
	}
	there, err := b.delete(ctx, from, raw.Sequence)
	return there || !before, err
}

// delete deletes a message. It reports whether it was there.
func (b *Inbox) delete(ctx context.Context, s jetstream.Stream, seq uint64) (bool, error) {
	err := s.DeleteMsg(ctx, seq)
	if err == nil {
		return true, nil
	}
	if _, there := s.GetMsg(ctx, seq); errors.Is(there, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return false, fmt.Errorf("jetstream: delete: %w", err)
}

// lookForAbsent says which deliveries there are that this Run was given no handler for.
func (r *run) lookForAbsent(ctx context.Context) error {
	b := r.box
	info, err := b.mainStream().Info(ctx, jetstream.WithSubjectFilter(b.subject(kindIn, all)))
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	for subject := range info.State.Subjects {
		if vendor, endpoint, ok := b.endpointOf(subject); ok {
			r.dispatcher.Absent(vendor, endpoint)
		}
	}
	return nil
}

// sweep deletes notes about deliveries that are gone: a process died after it had ended the one, and before it had deleted
// the other.
func (b *Inbox) sweep(ctx context.Context) error {
	return each(ctx, b.asideStream(), b.subject(kindNote, all), func(raw *jetstream.RawStreamMsg) (bool, error) {
		seq, err := sequenceOf(strings.TrimPrefix(raw.Subject, b.subject(kindNote, "")))
		if err == nil {
			m, err := b.mainStream().GetMsg(ctx, seq)
			if err == nil && b.note(position{seq, m.Time}) == raw.Subject {
				return true, nil
			}
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return false, fmt.Errorf("jetstream: %w", err)
			}
		}
		_, err = b.delete(ctx, b.asideStream(), raw.Sequence)
		return true, err
	})
}
