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

// A taken is a delivery that a Run has, until its lease ends.
type taken struct {
	message

	position // in the main stream

	delivery *webhook.Delivery // as it is to be run
	n        uint64            // how often the server has given it to anybody, this time included
	reply    string            // where the server is told what became of it
	more     bool              // the server may have more: it does not count what it gives away once more
	due      time.Time
	spoiled  error // why it could not be read
	since    time.Time

	renewed time.Time // when the lease began last; guarded by the run

	tried int             // how many attempts this process has added that count
	added []inbox.Attempt // and which

	// What stands in the aside stream about it.
	recalled bool
	noteSeq  uint64 // zero: nothing
	noted    bool   // what has become of it this time stands there
	suspect  bool   // it has the slot of engine.Runs
}

// deadLetter returns the dead letter that has become of it.
func (t *taken) deadLetter() inbox.Entry {
	return inbox.Entry{ID: t.id(), State: inbox.DeadLettered, Delivery: t.delivery, Attempts: t.attempts, Since: t.since.UTC()}
}

// read reads a message that the server has given us. What cannot be read is not the server's error: it becomes a dead letter.
func (b *Inbox) read(msg *nats.Msg) (*taken, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("jetstream: a message of no stream: %w", err)
	}
	t := &taken{
		position: position{meta.Sequence.Stream, meta.Timestamp}, n: meta.NumDelivered, reply: msg.Reply,
		more: meta.NumPending > 0 || meta.NumDelivered > 1,
	}
	m, err := b.decode(msg.Subject, msg.Header, msg.Data, meta.Timestamp)
	t.message, t.spoiled = *m, err
	t.delivery = m.running()
	return t, nil
}

// A note is what has become so far of a delivery that is to be run again. The message itself stays as it is, so that its body
// is not written again with every attempt: a note is short.
type note struct {
	// Seen is how many of the times that the server has given the message away are accounted for in here. JetStream counts
	// them all: those that are not were a process' which died, or was cut off.
	Seen uint64 `json:"seen"`

	Tried    int             `json:"tried,omitempty"`
	Due      time.Time       `json:"due,omitzero"`
	Rest     time.Duration   `json:"rest,omitempty"` // until then, when it was written
	Attempts []inbox.Attempt `json:"attempts,omitempty"`

	// Alone is which of the times the delivery runs as a suspect, next to no other suspect of its process. It is written
	// before the callback begins, so that a delivery which only waited for its turn is not blamed for a loss.
	Alone uint64 `json:"alone,omitempty"`

	// By is the run that wrote it.
	By string `json:"by"`

	written time.Time // by the server's clock
}

// errLeaseEnded says that somebody else may have the delivery by now.
var errLeaseEnded = errors.New("jetstream: the lease had ended before the callback did")

// recall finds out what became of a delivery that the server has given away before. It reports whether it is a dead letter
// already.
func (b *Inbox) recall(ctx context.Context, t *taken) (isDeadLetter bool, err error) {
	if t.n == 1 || t.recalled {
		return false, nil
	}
	if err := b.recallOnce(ctx, t); err != nil || !t.lost() {
		return false, err
	}
	return b.isDeadLetter(ctx, t)
}

func (t *taken) lost() bool {
	n := len(t.attempts)
	return n > 0 && t.attempts[n-1].Outcome == inbox.Lost
}

// recallOnce reads the note, and counts the attempts that were lost.
func (b *Inbox) recallOnce(ctx context.Context, t *taken) error {
	if t.n == 1 || t.recalled {
		return nil
	}
	n, seq, err := b.readNote(ctx, t.position)
	if err != nil {
		return err
	}
	due := n.Due
	if n.Rest > 0 && time.Until(due) > early {
		if due, err = b.dueByServer(ctx, &n); err != nil {
			return err
		}
	}
	t.recalled, t.noteSeq = true, seq
	if seq > 0 {
		t.state.Tried, t.attempts, t.due = n.Tried, n.Attempts, due
	}
	for seen := n.Seen; seen+1 < t.n && t.state.Tried < b.options.Policy.MaxAttempts; seen++ {
		d := engine.Lose(&b.options.Policy, t.state.Tried, n.Alone == seen+1, b.lostAt(t.attempts), "jetstream: the process that had it was not heard of again")
		t.add(d.Attempt)
		t.due = time.Now().Add(d.After)
	}
	return nil
}

// dueByServer returns when a delivery is due that is not by the clock of this process, which may have been set back since, or
// differ from that of the process before: the server's clock has counted as well.
func (b *Inbox) dueByServer(ctx context.Context, n *note) (time.Time, error) {
	info, err := b.mainStream().Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("jetstream: %w", err)
	}
	left := n.Rest - info.TimeStamp.Sub(n.written)
	return time.Now().Add(min(left, time.Until(n.Due))), nil
}

// add adds an attempt to the delivery's story.
func (t *taken) add(a inbox.Attempt) {
	t.attempts, t.added = engine.Append(t.attempts, a), append(t.added, a)
	if a.Counted {
		t.state.Tried++
		t.tried++
	}
}

// lostAt is when a lost attempt began, more or less: it is not known.
func (b *Inbox) lostAt(before []inbox.Attempt) time.Time {
	at := time.Now().UTC().Add(-b.options.Lease)
	if n := len(before); n > 0 && at.Before(before[n-1].At) {
		at = before[n-1].At
	}
	return at
}

// accuse records that the delivery is the only suspect that this process runs.
func (b *Inbox) accuse(ctx context.Context, r *run, t *taken) error {
	attempts, err := short(t.attempts)
	if err != nil {
		return err
	}
	text, err := json.Marshal(note{Seen: t.n - 1, Tried: t.state.Tried, Due: t.due.UTC(), Attempts: attempts, Alone: t.n, By: r.name})
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	ack, err := b.js.Publish(ctx, b.note(t.position), text, jetstream.WithExpectStream(b.aside()), jetstream.WithExpectLastSequencePerSubject(t.noteSeq))
	if err == nil {
		t.noteSeq = ack.Sequence
		return nil
	}
	there, seq, readErr := b.readNote(ctx, t.position)
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case there.By == r.name && there.Alone == t.n: // this one, whose acknowledgement was lost
		t.noteSeq = seq
		return nil
	case seq != t.noteSeq:
		return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
	default:
		return fmt.Errorf("jetstream: note: %w", err)
	}
}

func (b *Inbox) readNote(ctx context.Context, p position) (n note, noteSeq uint64, err error) {
	raw, err := b.asideStream().GetLastMsgForSubject(ctx, b.note(p))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return n, 0, nil
	case err != nil:
		return n, 0, fmt.Errorf("jetstream: %w", err)
	}
	n.written = raw.Time
	_ = json.Unmarshal(raw.Data, &n) // one that cannot be read begins anew: the delivery matters more
	return n, raw.Sequence, nil
}

// writeNote puts down what has become of a delivery, unless somebody else has done so since it was taken.
func (b *Inbox) writeNote(ctx context.Context, r *run, t *taken) error {
	for !t.noted {
		attempts, err := short(t.attempts)
		if err != nil {
			return err
		}
		text, err := json.Marshal(note{Seen: t.n, Tried: t.state.Tried, Due: t.due.UTC(), Rest: max(0, time.Until(t.due)), Attempts: attempts, By: r.name})
		if err != nil {
			return fmt.Errorf("jetstream: %w", err)
		}
		ack, err := b.js.Publish(ctx, b.note(t.position), text, jetstream.WithExpectStream(b.aside()), jetstream.WithExpectLastSequencePerSubject(t.noteSeq))
		switch c := code(err); {
		case err == nil:
			t.noted, t.noteSeq = true, ack.Sequence
			continue
		case c != jetstream.JSErrCodeStreamWrongLastSequence && c != jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return fmt.Errorf("jetstream: note: %w", err)
		}
		there, seq, err := b.readNote(ctx, t.position)
		switch {
		case err != nil:
			return err
		case seq > 0 && there.By == r.name && there.Seen == t.n: // this one, whose acknowledgement was lost
			t.noted, t.noteSeq = true, seq
			continue
		case !r.leased(t):
			return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
		}
		// A server that was killed may have forgotten how often it had given the message away: what stands there goes before.
		t.noteSeq = seq
		t.state.Tried, t.attempts = there.Tried+t.tried, there.Attempts
		for _, a := range t.added {
			t.attempts = engine.Append(t.attempts, a)
		}
	}
	return nil
}
