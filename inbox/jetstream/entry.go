package jetstreaminbox

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
)

// A storedEntry is an entry and its place in a stream.
type storedEntry struct {
	position

	kind  string
	size  int // of the message, as it was read
	entry inbox.Entry
}

// storedEntryOf returns the entry of a message of a kind. A message that cannot be decoded is shown as it is. An entry in
// the main stream is pending, without its attempt record: see setLease and addRecord.
func (b *Inbox) storedEntryOf(kind string, raw *jetstream.RawStreamMsg) (*storedEntry, *message) {
	m, _ := b.decode(raw.Subject, raw.Header, raw.Data, raw.Time)
	s := &storedEntry{
		position: position{raw.Sequence, raw.Time}, kind: kind, size: len(raw.Data),
		entry: inbox.Entry{ID: raw.Subject[strings.LastIndexByte(raw.Subject, '.')+1:], Delivery: m.toRun(), Attempts: m.attempts},
	}
	switch kind {
	case kindDeadLetter:
		s.entry.State, s.entry.Since = inbox.DeadLettered, raw.Time.UTC()
	case kindDeferred:
		s.entry.State = inbox.Deferred
	default:
		s.entry.ID, s.entry.State, s.entry.Due = mainID(m.id(), raw.Sequence), inbox.Pending, raw.Time.UTC()
	}
	return s, m
}

// setLease makes an entry running if this process has leased it.
func (s *storedEntry) setLease(leases map[uint64]lease) {
	if l, ok := leases[s.seq]; ok && l.at.Equal(s.at) {
		s.entry.State, s.entry.Due = inbox.Running, l.until.UTC()
	}
}

// addRecord adds the attempt record of an entry in the main stream.
func (b *Inbox) addRecord(ctx context.Context, s *storedEntry) error {
	record, seq, err := b.readRecord(ctx, s.position)
	if err != nil || seq == 0 {
		return err
	}
	s.entry.Attempts = record.Attempts
	if s.entry.State == inbox.Pending {
		s.entry.Due = record.written.Add(record.Rest).UTC()
	}
	return nil
}

// mainID returns the ID of an entry in the main stream. Its sequence makes Entry one request, and the hash identifies the
// delivery after it has been moved.
func mainID(hash string, seq uint64) string { return hash + "-" + strconv.FormatUint(seq, 10) }

// parseID returns the hash in an ID, and the sequence in the main stream. That is zero for a dead letter or a deferred
// delivery.
func parseID(id string) (hash string, seq uint64, ok bool) {
	hash, text, isMain := strings.Cut(id, "-")
	if isMain {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id != mainID(hash, n) {
			return "", 0, false
		}
		seq = n
	}
	return hash, seq, isDigest(hash)
}

// maxSearched is how many of the newest messages in the main stream Entry reads in search of a delivery.
const maxSearched = 1000

// Entry implements [inbox.Operator]. A pending or running delivery has the ID HASH-SEQUENCE, with its sequence in the main
// stream. A dead letter or a deferred delivery has the ID HASH, which is the same for the same delivery. So Entry finds a
// pending delivery by its ID also after it has been moved, and then returns its new ID. A HASH also finds a delivery that
// has been retried, if it is among the newest 1000 in the main stream or this process runs it.
//
// Due and Since are by the server's clock.
func (b *Inbox) Entry(ctx context.Context, id string) (inbox.Entry, error) {
	if hash, seq, ok := parseID(id); ok {
		s, err := b.find(ctx, hash, seq)
		switch {
		case err != nil:
			return inbox.Entry{}, b.explainTimeout(err)
		case s != nil:
			return s.entry, nil
		}
	}
	return inbox.Entry{}, fmt.Errorf("jetstreaminbox: %w: %s", inbox.ErrNotFound, id)
}

// find returns the entry with a hash, or nil. A delivery is stored in its new stream before it is removed from its old one.
// So find ends in the main stream, to which a retried delivery goes, after it has looked at the sequence that it had there.
func (b *Inbox) find(ctx context.Context, hash string, seq uint64) (*storedEntry, error) {
	if seq > 0 {
		if s, err := b.findInMain(ctx, hash, seq); s != nil || err != nil {
			return s, err
		}
	}
	for _, kind := range []string{kindDeadLetter, kindDeferred} {
		raw, err := getNext(ctx, b.streamOf(kind), 1, b.subject(kind, "*", "*", hash))
		if err != nil {
			return nil, err
		}
		if raw != nil {
			s, _ := b.storedEntryOf(kind, raw)
			return s, nil
		}
	}
	_, leases := b.leased()
	for seq, l := range leases {
		if l.id == hash {
			return b.findInMain(ctx, hash, seq)
		}
	}
	searched := 0
	for s, err := range b.newestFirst(ctx, kindIn, inbox.Filter{}, math.MaxUint64, maxWindow) {
		if err != nil {
			return nil, err
		}
		if s.entry.ID == mainID(hash, s.seq) {
			return b.findInMain(ctx, hash, s.seq)
		}
		if searched++; searched == maxSearched {
			break
		}
	}
	return nil, nil //nolint:nilnil // documented
}

// findInMain returns the entry at a sequence of the main stream, or nil if it does not have the hash.
func (b *Inbox) findInMain(ctx context.Context, hash string, seq uint64) (*storedEntry, error) {
	raw, err := found(b.mainStream().GetMsg(ctx, seq))
	if err != nil || raw == nil {
		return nil, err
	}
	s, m := b.storedEntryOf(kindIn, raw)
	if m.id() != hash {
		return nil, nil //nolint:nilnil // documented
	}
	_, leases := b.leased()
	s.setLease(leases)
	return s, b.addRecord(ctx, s)
}
