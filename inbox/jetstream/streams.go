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

// configs are those of the three streams, where they are created.
func (b *Inbox) configs() []jetstream.StreamConfig {
	o := &b.options
	config := func(name, description string, subjects ...string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: description, Subjects: subjects,
			Storage: jetstream.FileStorage, Replicas: o.Replicas,
			Discard: jetstream.DiscardNew, // the oldest is what waits longest, not what matters least
		}
	}
	main := config(b.main(), "aihooks: deliveries to be run", b.subject(kindIn, all))
	main.Retention, main.Duplicates = jetstream.WorkQueuePolicy, o.Window
	main.MaxMsgs, main.MaxBytes = o.MaxMessages, o.MaxBytes
	aside := config(b.aside(), "aihooks: deliveries without a callback, and attempts", b.subject(kindDeferred, all), b.subject(kindNote, all))
	aside.MaxMsgsPerSubject = 1
	dead := config(b.dead(), "aihooks: dead letters", b.subject(kindDeadLetter, all))
	dead.MaxMsgsPerSubject, dead.MaxAge = 1, o.DeadLetterRetention
	return []jetstream.StreamConfig{main, aside, dead}
}

// openStreams creates the streams that are not there and checks those that are: an operator may have created them
// beforehand, in places and with limits of his own.
func (b *Inbox) openStreams(ctx context.Context) error {
	for i, want := range b.configs() {
		s, err := b.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			want.FirstSeq = firstSequence()
			s, err = b.js.CreateStream(ctx, want)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was quicker, with other options
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
	return nil
}

// firstSequence is where a new stream begins to count: past every sequence of a stream of this name that was deleted. An
// acknowledgement names a message by its sequence alone, so that one that was sent for the old stream would end a delivery of
// the new one.
func firstSequence() uint64 { return uint64(time.Now().UnixMicro()) }

const codeNotClustered = 10074 // replicas > 1 not supported in non-clustered mode

func (b *Inbox) explain(want jetstream.StreamConfig, err error) error {
	if code(err) == codeNotClustered {
		return fmt.Errorf("jetstream: stream %s needs %d replicas, and the server is alone: use a cluster, or configure the server with "+
			"sync_interval: always and set Options.ServerSyncsAlways: %w", want.Name, want.Replicas, err)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("jetstream: stream %s cannot be opened: neither the server nor the account of the connection has JetStream enabled, "+
			"or no server of the cluster leads it: %w", want.Name, err)
	}
	return fmt.Errorf("jetstream: stream %s cannot be opened: %w", want.Name, b.explainTimeout(err))
}

// check returns an error that says why a stream must not be used: it would lose deliveries, or not do what is asked of it.
func (b *Inbox) check(want, got jetstream.StreamConfig) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("jetstream: stream %s is refused: %s", got.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case got.Storage != jetstream.FileStorage:
		return refuse("its storage is %v; deliveries must be on disk before they are answered", got.Storage)
	case got.NoAck:
		return refuse("no_ack is set; deliveries must be acknowledged before they are answered")
	case got.PersistMode == jetstream.AsyncPersistMode:
		return refuse("its persist_mode is async; it acknowledges before messages are on disk")
	case got.Replicas < DefaultReplicas && !b.options.ServerSyncsAlways:
		return refuse("with %d replicas it acknowledges up to two minutes before messages are on disk; it needs 3, or servers with "+
			"sync_interval: always and Options.ServerSyncsAlways", got.Replicas)
	case got.Retention != want.Retention:
		return refuse("its retention is %v and must be %v", got.Retention, want.Retention)
	case got.Discard != jetstream.DiscardNew:
		return refuse("its discard policy is %v; it would throw away deliveries that wait when it is full, and must be %v", got.Discard, jetstream.DiscardNew)
	case got.MaxAge > 0 && got.Name != b.dead():
		return refuse("its max_age is %v; it would throw away deliveries that wait longer", got.MaxAge)
	case max(got.MaxMsgsPerSubject, 0) != want.MaxMsgsPerSubject:
		return refuse("its max_msgs_per_subject is %d and must be %d", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	case got.AllowDirect && got.Name != b.main():
		return refuse("allow_direct is set; replicas would answer with what is no longer so")
	case got.Sealed, got.DenyDelete, got.DenyPurge:
		return refuse("messages in it cannot be deleted")
	}
	for _, subject := range want.Subjects {
		if !slices.Contains(got.Subjects, subject) {
			return refuse("its subjects are %q, which must include %q", got.Subjects, subject)
		}
	}
	return nil
}

// code returns the error code of a server's answer.
func code(err error) jetstream.ErrorCode {
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		return e.ErrorCode
	}
	if e, ok := errors.AsType[jetstream.JetStreamError](err); ok && e.APIError() != nil {
		return e.APIError().ErrorCode
	}
	return 0
}
