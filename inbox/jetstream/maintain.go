package jetstreaminbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// each calls f for the messages of a stream under a subject, the oldest first. It leaves out messages that are stored
// meanwhile.
func each(ctx context.Context, s jetstream.Stream, subject string, f func(m *jetstream.RawStreamMsg) (more bool, err error)) error {
	info, err := s.Info(ctx)
	if err != nil {
		return fmt.Errorf("jetstreaminbox: %w", err)
	}
	return eachBetween(ctx, s, subject, 1, info.State.LastSeq, f)
}

// eachBetween is each for the messages from one sequence to another.
func eachBetween(ctx context.Context, s jetstream.Stream, subject string, first, last uint64, f func(m *jetstream.RawStreamMsg) (more bool, err error)) error {
	for seq := first; seq <= last; {
		m, err := getNext(ctx, s, seq, subject)
		if err != nil || m == nil || m.Sequence > last {
			return err
		}
		if more, err := f(m); !more || err != nil {
			return err
		}
		seq = m.Sequence + 1
	}
	return nil
}

// resume runs deferred deliveries whose types have a callback now.
func (r *run) resume(ctx context.Context) error {
	b := r.box
	some, err := getNext(ctx, b.deferredStream(), 1, b.subject(kindDeferred, all))
	if err != nil || some == nil { // the usual case, without one request per handler
		return err
	}
	info, err := b.deferredStream().Info(ctx)
	if err != nil {
		return fmt.Errorf("jetstreaminbox: %w", err)
	}
	for _, h := range r.list() {
		if err := h.resume(ctx, info); err != nil {
			return err
		}
	}
	return nil
}

// A resumed is how far a handler has read its deferred deliveries. While a scope is paused, many may wait, and reading them
// all again every ten seconds would load the server.
type resumed struct {
	created time.Time       // when the stream was created
	until   uint64          // the last sequence that was read
	types   map[string]bool // of the deliveries that stay deferred
}

// resume runs the handler's deferred deliveries whose types have a callback now. It reads only those that it has not read
// yet, unless one of their types has a callback now.
func (h *handlerRun) resume(ctx context.Context, info *jetstream.StreamInfo) error {
	b, state := h.run.box, &h.resumed
	isHandled := false
	for name := range state.types {
		isHandled = isHandled || h.Handles(name)
	}
	if isHandled || !state.created.Equal(info.Created) || state.until > info.State.LastSeq {
		*state = resumed{created: info.Created, types: make(map[string]bool)}
	}
	err := eachBetween(ctx, b.deferredStream(), b.subject(kindDeferred, token(h.Vendor()), token(h.Endpoint()), "*"), state.until+1, info.State.LastSeq,
		func(raw *jetstream.RawStreamMsg) (bool, error) {
			m, err := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time)
			if err == nil && !h.Handles(m.delivery.Type) {
				state.types[m.delivery.Type] = true
			} else if _, err = b.requeue(ctx, b.deferredStream(), raw, m, m.state); err != nil {
				return false, err
			}
			state.until = raw.Sequence
			return true, nil
		})
	if err == nil {
		state.until = info.State.LastSeq
	}
	return err
}

// requeue moves a message to the main stream, with another state. It returns false if another operator or process was faster.
// Once the message is stored, it may run, and be moved back, before it can be deleted.
func (b *Inbox) requeue(ctx context.Context, from jetstream.Stream, raw *jetstream.RawStreamMsg, m *message, next state) (bool, error) {
	origin := cmp.Or(raw.Header.Get(headerOrigin), position{raw.Sequence, raw.Time}.String())
	seq, claimed, err := b.claim(ctx, from, raw, origin)
	if err != nil || !claimed {
		return false, err
	}
	m.state = next
	msg, err := m.encode(b.in(m.delivery.Vendor, m.delivery.Endpoint))
	if err != nil {
		return false, err
	}
	// The message id prevents a second copy after a crash, when the message is claimed again.
	if _, err := b.publish(ctx, b.main(), msg, raw.Subject+"/"+origin); err != nil {
		return false, fmt.Errorf("jetstreaminbox: %w", err)
	}
	_, err = b.delete(ctx, from, seq)
	return true, err
}

const codeWrongLastSequence = 10071

// claim replaces a message by itself, under another sequence, unless it was replaced or deleted meanwhile. So a delivery is
// either requeued or discarded, and by one operator. The new message keeps the position of the first one.
func (b *Inbox) claim(ctx context.Context, s jetstream.Stream, raw *jetstream.RawStreamMsg, origin string) (seq uint64, claimed bool, err error) {
	msg := copyOf(raw)
	msg.Header[headerOrigin] = []string{origin}
	ack, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(s.CachedInfo().Config.Name), jetstream.WithExpectLastSequencePerSubject(raw.Sequence))
	switch {
	case code(err) == codeWrongLastSequence:
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("jetstreaminbox: %w", publishError(err))
	default:
		return ack.Sequence, true, nil
	}
}

// delete deletes a message. It reports whether the message existed.
func (b *Inbox) delete(ctx context.Context, s jetstream.Stream, seq uint64) (bool, error) {
	err := s.DeleteMsg(ctx, seq)
	if err == nil {
		return true, nil
	}
	if _, exists := s.GetMsg(ctx, seq); errors.Is(exists, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return false, fmt.Errorf("jetstreaminbox: delete: %w", err)
}

// examineQueue reports the deliveries that this Run has no handler for, and runs those that the server has restored.
func (r *run) examineQueue(ctx context.Context) error {
	b := r.box
	info, err := b.mainStream().Info(ctx, jetstream.WithSubjectFilter(b.subject(kindIn, all)))
	if err != nil {
		return fmt.Errorf("jetstreaminbox: %w", err)
	}
	for subject := range info.State.Subjects {
		if vendor, endpoint, ok := b.endpointOf(subject); ok {
			r.dispatcher.Absent(vendor, endpoint)
		}
	}
	for _, h := range r.list() {
		if info.State.Subjects[b.in(h.Vendor(), h.Endpoint())] == 0 {
			continue
		}
		if err := h.runRestored(ctx); err != nil {
			return err
		}
	}
	return nil
}

// purgeOnce is purge, once for each Run.
func (r *run) purgeOnce(ctx context.Context) error {
	if r.purged {
		return nil
	}
	r.purged = true
	return r.box.purge(ctx)
}

// purge deletes the attempt records of deliveries that no longer exist. A process that crashes after it has removed a
// delivery leaves such a record.
func (b *Inbox) purge(ctx context.Context) error {
	return each(ctx, b.deferredStream(), b.subject(kindAttemptRecord, all), func(raw *jetstream.RawStreamMsg) (bool, error) {
		seq, err := sequenceOf(strings.TrimPrefix(raw.Subject, b.subject(kindAttemptRecord, "")))
		if err == nil {
			m, err := b.mainStream().GetMsg(ctx, seq)
			if err == nil && b.attemptRecord(position{seq, m.Time}) == raw.Subject {
				return true, nil
			}
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return false, fmt.Errorf("jetstreaminbox: %w", err)
			}
		}
		_, err = b.delete(ctx, b.deferredStream(), raw.Sequence)
		return true, err
	})
}
