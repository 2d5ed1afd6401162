package jetstreaminbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// A fetched is a delivery that a Run has fetched, and leases.
type fetched struct {
	message

	position // in the main stream

	run         *run
	delivery    *webhook.Delivery // the delivery to run
	n           uint64            // NumDelivered: how often the server has delivered it, this time included
	reply       string            // the subject for acknowledgements
	more        bool              // the server may have more messages; NumPending leaves out redelivered ones
	due         time.Time
	undecodable error // why it could not be decoded
	since       time.Time

	renewed time.Time // when the lease was last renewed; guarded by the run
	ends    bool      // the lease is not renewed any more; guarded by the run

	tried int             // how many counted attempts this process has added
	added []inbox.Attempt // all attempts that this process has added

	// Its attempt record in the deferred stream.
	isLoaded   bool
	recordSeq  uint64 // zero if there is no record
	isAdded    bool   // the history includes this attempt
	isRecorded bool   // the record includes this attempt
	suspect    bool   // it has the suspect slot of engine.Runs
}

// read decodes a message that the server has delivered. A message that cannot be decoded is not an error: it becomes a
// dead letter.
func (r *run) read(msg *nats.Msg) (*fetched, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("jetstreaminbox: the message is not from a stream: %w", err)
	}
	t := &fetched{
		run: r, position: position{meta.Sequence.Stream, meta.Timestamp}, n: meta.NumDelivered, reply: msg.Reply,
		more: meta.NumPending > 0 || meta.NumDelivered > 1,
	}
	m, err := r.box.decode(msg.Subject, msg.Header, msg.Data, meta.Timestamp)
	t.message, t.undecodable = *m, err
	t.delivery = m.toRun()
	return t, nil
}

// An attemptRecord is the history of a delivery that must run again. It is a separate, short message, so that the body
// is not stored again with every attempt.
type attemptRecord struct {
	// Seen is how many of the server's deliveries this record includes. JetStream counts all deliveries. Those that are
	// not included were to a process that crashed or lost its connection.
	Seen uint64 `json:"seen"`

	Tried    int             `json:"tried,omitempty"`
	Due      time.Time       `json:"due,omitzero"`
	Rest     time.Duration   `json:"rest,omitempty"` // the time until Due when the record was written
	Attempts []inbox.Attempt `json:"attempts,omitempty"`

	// Alone is the number of the delivery that runs as the only suspect of its process. It is written before the
	// callback begins, so that a suspect which only waited is not blamed for a lost process.
	Alone uint64 `json:"alone,omitempty"`

	// By is the run that wrote the record.
	By string `json:"by"`

	written time.Time // by the server's clock
}

// loadHistory loads the history of a delivery that the server has delivered before. It reports whether the delivery is
// already a dead letter.
func (b *Inbox) loadHistory(ctx context.Context, t *fetched) (isDeadLetter bool, err error) {
	if t.n == 1 || t.isLoaded {
		return false, nil
	}
	if err := b.loadRecord(ctx, t); err != nil || !t.lost() {
		return false, err
	}
	return b.isDeadLetter(ctx, t)
}

func (t *fetched) lost() bool {
	n := len(t.attempts)
	return n > 0 && t.attempts[n-1].Outcome == inbox.Lost
}

// loadRecord reads the attempt record, and adds the lost attempts.
func (b *Inbox) loadRecord(ctx context.Context, t *fetched) error {
	if t.n == 1 || t.isLoaded {
		return nil
	}
	n, seq, err := b.readRecord(ctx, t.position)
	if err != nil {
		return err
	}
	due := n.Due
	if n.Rest > 0 && time.Until(due) > early {
		if due, err = b.dueByServer(ctx, &n); err != nil {
			return err
		}
	}
	t.isLoaded, t.recordSeq = true, seq
	if seq > 0 {
		t.state.Tried, t.attempts, t.due = n.Tried, n.Attempts, due
	}
	for seen := n.Seen; seen+1 < t.n && t.state.Tried < b.options.Policy.MaxAttempts; seen++ {
		d := engine.Lose(&b.options.Policy, t.state.Tried, n.Alone == seen+1, b.lostAt(t.attempts), "jetstreaminbox: worker process was lost")
		t.add(d.Attempt)
		t.due = time.Now().Add(d.After)
	}
	return nil
}

// dueByServer returns the due time by the server's clock. The clock of this process may have been set back since the
// record was written, or may differ from that of the process that wrote it.
func (b *Inbox) dueByServer(ctx context.Context, n *attemptRecord) (time.Time, error) {
	info, err := b.mainStream().Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("jetstreaminbox: %w", err)
	}
	left := n.Rest - info.TimeStamp.Sub(n.written)
	return time.Now().Add(min(left, time.Until(n.Due))), nil
}

// add adds an attempt to the delivery's history.
func (t *fetched) add(a inbox.Attempt) {
	t.attempts, t.added = engine.Append(t.attempts, a), append(t.added, a)
	if a.Counted {
		t.state.Tried++
		t.tried++
	}
}

// lostAt returns the approximate time at which a lost attempt began.
func (b *Inbox) lostAt(before []inbox.Attempt) time.Time {
	at := time.Now().UTC().Add(-b.options.Lease)
	if n := len(before); n > 0 && at.Before(before[n-1].At) {
		at = before[n-1].At
	}
	return at
}

// markAlone records that the delivery runs as the only suspect of this process.
func (b *Inbox) markAlone(ctx context.Context, t *fetched) error {
	attempts, err := truncateErrors(t.attempts)
	if err != nil {
		return err
	}
	text, err := json.Marshal(attemptRecord{Seen: t.n - 1, Tried: t.state.Tried, Due: t.due.UTC(), Attempts: attempts, Alone: t.n, By: t.run.name})
	if err != nil {
		return fmt.Errorf("jetstreaminbox: %w", err)
	}
	ack, err := b.js.Publish(ctx, b.attemptRecord(t.position), text, jetstream.WithExpectStream(b.deferred()), jetstream.WithExpectLastSequencePerSubject(t.recordSeq))
	if err == nil {
		t.recordSeq = ack.Sequence
		return nil
	}
	stored, seq, readErr := b.readRecord(ctx, t.position)
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case stored.By == t.run.name && stored.Alone == t.n: // this run wrote it, and the acknowledgement was lost
		t.recordSeq = seq
		return nil
	case seq != t.recordSeq:
		return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
	default:
		return fmt.Errorf("jetstreaminbox: attempt record: %w", err)
	}
}

func (b *Inbox) readRecord(ctx context.Context, p position) (n attemptRecord, recordSeq uint64, err error) {
	raw, err := b.deferredStream().GetLastMsgForSubject(ctx, b.attemptRecord(p))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return n, 0, nil
	case err != nil:
		return n, 0, fmt.Errorf("jetstreaminbox: %w", err)
	}
	n.written = raw.Time
	_ = json.Unmarshal(raw.Data, &n) // on an error, the history starts again: the delivery matters more
	return n, raw.Sequence, nil
}

// writeRecord writes the attempt record, unless another process has written it since the delivery was fetched.
func (b *Inbox) writeRecord(ctx context.Context, t *fetched) error {
	for !t.isRecorded {
		attempts, err := truncateErrors(t.attempts)
		if err != nil {
			return err
		}
		text, err := json.Marshal(attemptRecord{Seen: t.n, Tried: t.state.Tried, Due: t.due.UTC(), Rest: max(0, time.Until(t.due)), Attempts: attempts, By: t.run.name})
		if err != nil {
			return fmt.Errorf("jetstreaminbox: %w", err)
		}
		ack, err := b.js.Publish(ctx, b.attemptRecord(t.position), text, jetstream.WithExpectStream(b.deferred()), jetstream.WithExpectLastSequencePerSubject(t.recordSeq))
		switch c := code(err); {
		case err == nil:
			t.isRecorded, t.recordSeq = true, ack.Sequence
			continue
		case c != jetstream.JSErrCodeStreamWrongLastSequence && c != jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return fmt.Errorf("jetstreaminbox: attempt record: %w", err)
		}
		stored, seq, err := b.readRecord(ctx, t.position)
		switch {
		case err != nil:
			return err
		case seq > 0 && stored.By == t.run.name && stored.Seen == t.n: // this run wrote it, and the acknowledgement was lost
			t.isRecorded, t.recordSeq = true, seq
			continue
		case !t.run.isLeased(t):
			return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
		}
		// A server that was killed may have lost its delivery count. The stored attempts come first.
		t.recordSeq = seq
		t.state.Tried, t.attempts = stored.Tried+t.tried, stored.Attempts
		for _, a := range t.added {
			t.attempts = engine.Append(t.attempts, a)
		}
	}
	return nil
}
