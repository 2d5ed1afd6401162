package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// configs returns the configurations with which the three streams are created.
func (b *Inbox) configs() []jetstream.StreamConfig {
	o := &b.options
	config := func(name, description string, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: description, Subjects: subjects,
			Storage: jetstream.FileStorage, Replicas: o.Replicas,
			Discard: jetstream.DiscardNew, // the policy "old" would delete the deliveries that wait longest
		}
	}
	main := config(b.main(), "aihooks: deliveries to be run", b.subject(kindIn, all))
	main.Retention, main.Duplicates = jetstream.WorkQueuePolicy, o.Window
	main.MaxMsgs, main.MaxBytes = o.MaxMessages, o.MaxBytes
	deferred := config(b.deferred(), "aihooks: deferred deliveries, attempts, pauses and the audit",
		b.subject(kindDeferred, all), b.subject(kindAttemptRecord, all), b.subject(kindRecord, all))
	deferred.MaxMsgsPerSubject = 1
	deadLetters := config(b.deadLetters(), "aihooks: dead letters", b.subject(kindDeadLetter, all))
	deadLetters.MaxMsgsPerSubject, deadLetters.MaxAge = 1, o.DeadLetterRetention
	return []jetstream.StreamConfig{main, deferred, deadLetters}
}

// openStreams creates the streams that do not exist, and checks the others. An operator may have created them, with a
// placement and limits.
func (b *Inbox) openStreams(ctx context.Context) error {
	for i, want := range b.configs() {
		s, err := b.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			want.FirstSeq = firstSequence()
			s, err = b.js.CreateStream(ctx, want)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster, with other options
				s, err = b.js.Stream(ctx, want.Name)
			}
		}
		if err != nil {
			return b.explain(want, err)
		}
		if err := b.check(want, s.CachedInfo().Config); err != nil {
			return err
		}
		b.streams[i] = s
	}
	b.addRecordSubject(ctx)
	return nil
}

// addTimeout is how long New waits for the server to add a subject.
const addTimeout = 2 * time.Second

// addRecordSubject adds the subject of records to a deferred stream that an older version or an operator has created. If it
// cannot, the inbox works without pauses and operations, because deliveries matter more.
func (b *Inbox) addRecordSubject(ctx context.Context) {
	config := b.deferredStream().CachedInfo().Config
	subject := b.subject(kindRecord, all)
	if slices.Contains(config.Subjects, subject) {
		return
	}
	config.Subjects = append(slices.Clone(config.Subjects), subject)
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	if _, err := b.js.UpdateStream(ctx, config); err != nil {
		b.options.Policy.Logger.Warn("inbox: deliveries cannot be paused, retried, rerun or discarded", "stream", config.Name,
			"error", fmt.Errorf("%w: %w", b.lacksRecords(), b.explainTimeout(err)))
	}
}

// lacksRecords returns the error for a deferred stream that has no subject for records.
func (b *Inbox) lacksRecords() error {
	return fmt.Errorf("stream %s needs the subject %s for pauses and the audit; add it to the stream's subjects, or let a user with the "+
		"permission STREAM.UPDATE.%[1]s call New", b.deferred(), b.subject(kindRecord, all))
}

// firstSequence returns the first sequence of a new stream. It is above every sequence of a deleted stream of the same
// name. An acknowledgement names a message only by its sequence, so one for the old stream would end a delivery in the
// new one.
func firstSequence() uint64 { return uint64(time.Now().UnixMicro()) }

const codeNotClustered = 10074 // replicas > 1 not supported in non-clustered mode

func (b *Inbox) explain(want jetstream.StreamConfig, err error) error {
	if code(err) == codeNotClustered {
		return fmt.Errorf("jetstreaminbox: stream %s needs %d replicas, but the server is not clustered; use a cluster, or configure the server with "+
			"sync_interval: always and set Options.ServerSyncsAlways: %w", want.Name, want.Replicas, err)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("jetstreaminbox: stream %s cannot be opened: JetStream is not enabled for the server or the account, "+
			"or the stream has no leader: %w", want.Name, err)
	}
	return fmt.Errorf("jetstreaminbox: stream %s cannot be opened: %w", want.Name, b.explainTimeout(err))
}

// check returns an error that says why a stream must not be used: it would lose deliveries, or lacks a needed feature.
func (b *Inbox) check(want, got jetstream.StreamConfig) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("jetstreaminbox: stream %s is refused: %s", got.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case got.Storage != jetstream.FileStorage:
		return refuse("its storage is %v; deliveries must be on disk before the response", got.Storage)
	case got.NoAck:
		return refuse("no_ack is set; deliveries must be acknowledged before the response")
	case got.PersistMode == jetstream.AsyncPersistMode:
		return refuse("its persist_mode is async; it acknowledges before messages are on disk")
	case got.Replicas < DefaultReplicas && !b.options.ServerSyncsAlways:
		return refuse("with %d replicas, it acknowledges up to two minutes before messages are on disk; it needs 3, or servers with "+
			"sync_interval: always and Options.ServerSyncsAlways", got.Replicas)
	case got.Retention != want.Retention:
		return refuse("its retention is %v and must be %v", got.Retention, want.Retention)
	case got.Discard != jetstream.DiscardNew:
		return refuse("its discard policy is %v; a full stream would delete waiting deliveries; it must be %v", got.Discard, jetstream.DiscardNew)
	case got.MaxAge > 0 && got.Name != b.deadLetters():
		return refuse("its max_age is %v; it would delete deliveries that wait longer", got.MaxAge)
	case max(got.MaxMsgsPerSubject, 0) != want.MaxMsgsPerSubject:
		return refuse("its max_msgs_per_subject is %d and must be %d", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	case got.AllowDirect && got.Name != b.main():
		return refuse("allow_direct is set; replicas could return outdated messages")
	case got.Sealed, got.DenyDelete, got.DenyPurge:
		return refuse("messages in it cannot be deleted")
	}
	return b.checkSubjects(want, got)
}

// checkSubjects returns an error if a stream lacks a subject. It does not require the subject of records: see
// addRecordSubject.
func (b *Inbox) checkSubjects(want, got jetstream.StreamConfig) error {
	for _, subject := range want.Subjects {
		if subject != b.subject(kindRecord, all) && !slices.Contains(got.Subjects, subject) {
			return fmt.Errorf("jetstreaminbox: stream %s is refused: its subjects are %q, which must include %q", got.Name, got.Subjects, subject)
		}
	}
	return nil
}

// code returns the error code of a server's response, or 0.
func code(err error) jetstream.ErrorCode {
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		return e.ErrorCode
	}
	if e, ok := errors.AsType[jetstream.JetStreamError](err); ok && e.APIError() != nil {
		return e.APIError().ErrorCode
	}
	return 0
}
