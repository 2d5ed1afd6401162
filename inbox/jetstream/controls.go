package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
)

// Pause implements [inbox.Operator].
func (b *Inbox) Pause(ctx context.Context, s inbox.Scope) error { return b.controls.Pause(ctx, s) }

// Resume implements [inbox.Operator].
func (b *Inbox) Resume(ctx context.Context, s inbox.Scope) error { return b.controls.Resume(ctx, s) }

// Pauses implements [inbox.Operator].
func (b *Inbox) Pauses(ctx context.Context) ([]inbox.Pause, error) { return b.controls.Pauses(ctx) }

// Audit implements [inbox.Operator].
func (b *Inbox) Audit(ctx context.Context) ([]inbox.Change, error) { return b.controls.Audit(ctx) }

// records implements engine.Records, in the deferred stream. A stream keeps the last message of each subject.
type records struct{ *Inbox }

// longestRecord is the maximum length of a record's subject. A server closes the connection of a client that sends a line
// of more than 4096 bytes, which has two subjects.
const longestRecord = 3 << 10

// PutRecord implements [engine.Records].
func (b records) PutRecord(ctx context.Context, key string, value []byte) error {
	subject := b.record(key)
	if len(subject) > longestRecord {
		return fmt.Errorf("jetstreaminbox: the vendor, the endpoint and the type (%d bytes with escapes) must not be longer than %d", len(subject), longestRecord)
	}
	_, err := b.js.Publish(ctx, subject, value, jetstream.WithExpectStream(b.deferred()))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders), code(err) == codeOtherStream:
		return fmt.Errorf("jetstreaminbox: %w: %w", b.lacksRecords(), err)
	}
	return fmt.Errorf("jetstreaminbox: %w", b.explainTimeout(publishError(err)))
}

// DeleteRecord implements [engine.Records].
func (b records) DeleteRecord(ctx context.Context, key string) (bool, error) {
	for { // another process may replace the record meanwhile
		raw, err := found(b.deferredStream().GetLastMsgForSubject(ctx, b.record(key)))
		if err != nil || raw == nil {
			return false, b.explainTimeout(err)
		}
		if deleted, err := b.delete(ctx, b.deferredStream(), raw.Sequence); deleted || err != nil {
			return deleted, b.explainTimeout(err)
		}
	}
}

// recordsAtOnce is how many records ListRecords requests at once. The audit has a thousand, and a server may be far away.
const recordsAtOnce = 64

// ListRecords implements [engine.Records]. Without records, it is one request, which the server serves from its index of
// subjects. Reading the messages in order could miss a record that is replaced meanwhile.
func (b records) ListRecords(ctx context.Context, prefix string) (map[string][]byte, error) {
	subjects := b.subject(kindRecord, all)
	if kind, _, ok := strings.Cut(prefix, "/"); ok {
		subjects = b.subject(kindRecord, token(kind), all)
	}
	info, err := b.deferredStream().Info(ctx, jetstream.WithSubjectFilter(subjects))
	if err != nil {
		return nil, fmt.Errorf("jetstreaminbox: %w", b.explainTimeout(err))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var failed error // the first error, which ends the other requests
	values := make(map[string][]byte, len(info.State.Subjects))
	read := func(key, subject string) {
		raw, err := found(b.deferredStream().GetLastMsgForSubject(ctx, subject))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil && failed == nil:
			failed = b.explainTimeout(err)
			cancel()
		case raw != nil: // otherwise it was deleted meanwhile
			values[key] = raw.Data
		}
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, recordsAtOnce)
	for subject := range info.State.Subjects {
		key, ok := b.recordKey(subject)
		if !ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			read(key, subject)
		})
	}
	group.Wait()
	if failed != nil {
		return nil, failed
	}
	return values, nil
}

// record returns the subject of the record with a key, such as AIHOOKS.record.pause.NAME for "pause/NAME".
func (n names) record(key string) string {
	kind, rest, _ := strings.Cut(key, "/")
	return n.subject(kindRecord, token(kind), token(rest))
}

// recordKey returns the key of the record with a subject.
func (n names) recordKey(subject string) (key string, ok bool) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(subject, n.subject(kindRecord, "")), ".")
	kind, ok1 := untoken(kind)
	rest, ok2 := untoken(rest)
	return kind + "/" + rest, ok1 && ok2
}
