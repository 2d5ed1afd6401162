package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// The limits of what is read for one page: maxRead messages, with attempt records, and about maxReadBytes of bodies.
const (
	maxRead      = 10_000
	maxReadBytes = 32 << 20
)

// List implements [inbox.Operator]. Without a state, it lists the dead letters first, then the deferred deliveries, and then
// those in the main stream. ReadUntil is when the last message that was read was stored; it is zero while another stream
// follows. Running entries are those that this process has leased. Those of other processes are listed as
// pending, as in Stats. No entry is done.
//
// The server sends messages only with their bodies. A page reads at most 10,000 messages and about 32 MiB. The server
// selects by vendor and endpoint, so messages that only the other fields of the filter exclude count too. The attempts of a
// pending delivery are a second message. On one server, a page of 100 takes some 25 ms, also among 100,000 dead letters, and
// 10,000 messages take some 3 s.
func (b *Inbox) List(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	q, err := engine.CheckQuery(q)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("jetstreaminbox: %w", err)
	}
	if q.ID != "" {
		return b.listOne(ctx, q)
	}
	kinds := kindsOf(q.State)
	from, before := 0, uint64(math.MaxUint64)
	if q.Cursor != "" {
		if from, before, err = parseCursor(q.Cursor, kinds); err != nil {
			return inbox.Page{}, err
		}
	}
	l := &lister{box: b, query: q}
	for _, kind := range kinds[from:] {
		if more, err := l.list(ctx, kind, before); err != nil {
			return inbox.Page{}, b.explainTimeout(err)
		} else if !more {
			break
		}
		before = math.MaxUint64
	}
	return l.page, nil
}

// listOne returns the page of the entry with an ID.
func (b *Inbox) listOne(ctx context.Context, q inbox.Query) (page inbox.Page, err error) {
	e, err := b.Entry(ctx, q.ID)
	if err == nil && q.Matches(&e) {
		page.Entries = []inbox.Entry{engine.Listed(e)}
	}
	if errors.Is(err, inbox.ErrNotFound) {
		err = nil
	}
	return page, err
}

// kindsOf returns the kinds of messages that have the entries of a state, in the order of a list.
func kindsOf(s inbox.State) []string {
	switch s {
	case inbox.DeadLettered:
		return []string{kindDeadLetter}
	case inbox.Deferred:
		return []string{kindDeferred}
	case inbox.Pending, inbox.Running:
		return []string{kindIn}
	case inbox.Done:
		return nil
	default:
		return []string{kindDeadLetter, kindDeferred, kindIn}
	}
}

func (b *Inbox) streamOf(kind string) jetstream.Stream {
	switch kind {
	case kindDeadLetter:
		return b.deadLetterStream()
	case kindDeferred:
		return b.deferredStream()
	default:
		return b.mainStream()
	}
}

// cursorOf returns the cursor of the page that follows an entry.
func cursorOf(kind string, seq uint64) string { return kind + ":" + strconv.FormatUint(seq, 10) }

// parseCursor returns the place of a cursor: the index of its kind, and the sequence above the next one to read.
func parseCursor(cursor string, kinds []string) (from int, before uint64, err error) {
	kind, seq, _ := strings.Cut(cursor, ":")
	from = slices.Index(kinds, kind)
	before, err = strconv.ParseUint(seq, 10, 64)
	if from < 0 || err != nil {
		return 0, 0, fmt.Errorf("jetstreaminbox: %w", engine.ErrCursor)
	}
	return from, before, nil
}

// A lister collects the entries of a page.
type lister struct {
	box     *Inbox
	query   inbox.Query
	page    inbox.Page
	next    string // the cursor after the last entry of the page
	read    int    // how many messages were read
	bytes   int    // of their bodies
	records *bool  // whether the inbox has attempt records; nil until that is known
}

// list adds the entries of one kind to the page. It reports whether the page needs more entries.
func (l *lister) list(ctx context.Context, kind string, before uint64) (more bool, err error) {
	_, leases := l.box.leased()
	stored := l.box.newestFirst(ctx, kind, l.query.Filter, before, l.query.Limit+1)
	if l.query.State == inbox.Running {
		stored = l.box.leasedMessages(ctx, leases, before)
	}
	for s, err := range stored {
		if err != nil {
			return false, err
		}
		l.read, l.bytes = l.read+1, l.bytes+s.size
		selected, err := l.selects(ctx, s, leases)
		switch {
		case err != nil:
			return false, err
		case selected && len(l.page.Entries) == l.query.Limit:
			l.page.Next = l.next
			return false, nil
		case selected:
			l.page.Entries = append(l.page.Entries, s.entry)
			l.next = cursorOf(kind, s.seq)
		}
		if l.read >= maxRead || l.bytes >= maxReadBytes {
			l.page.Next = cursorOf(kind, s.seq)
			if kinds := kindsOf(l.query.State); kind == kinds[len(kinds)-1] { // otherwise newer entries follow
				l.page.ReadUntil = s.at.UTC()
			}
			return false, nil
		}
	}
	return true, nil
}

// selects completes an entry and reports whether the query selects it. It does not read the attempt records of entries that
// the other fields exclude.
func (l *lister) selects(ctx context.Context, s *storedEntry, leases map[uint64]lease) (bool, error) {
	if s.kind != kindIn {
		return l.query.Matches(&s.entry), nil
	}
	s.setLease(leases)
	f := l.query.Filter
	f.Text = ""
	if !f.Matches(&s.entry) {
		return false, nil
	}
	if l.records == nil {
		m, err := getNext(ctx, l.box.deferredStream(), 1, l.box.subject(kindAttemptRecord, all))
		if err != nil {
			return false, err
		}
		exist := m != nil
		l.records = &exist
	}
	if *l.records {
		l.read++
		if err := l.box.addRecord(ctx, s); err != nil {
			return false, err
		}
	}
	return l.query.Matches(&s.entry), nil
}

// The bounds of how many messages a window of newestFirst has at most.
const (
	minWindow = 16
	maxWindow = 256
)

// newestFirst iterates over the messages of a kind below a sequence, the newest first. The entries have no bodies.
//
// The server finds only the next message after a sequence. So newestFirst reads windows of sequences, each from its first
// message to its last one. The first window has as many sequences as messages are wanted. A window with few messages is
// followed by one of twice the size, because most sequences of a work queue have no message any more. If that one has too many
// messages, newestFirst searches for its newest ones.
func (b *Inbox) newestFirst(ctx context.Context, kind string, f inbox.Filter, before uint64, wanted int) iter.Seq2[*storedEntry, error] {
	wanted = min(wanted, maxWindow)
	w := &windows{box: b, kind: kind, stream: b.streamOf(kind), subject: b.subjectOf(kind, f), most: max(wanted, minWindow)}
	return func(yield func(*storedEntry, error) bool) {
		info, err := w.stream.Info(ctx)
		if err != nil {
			yield(nil, fmt.Errorf("jetstreaminbox: %w", err))
			return
		}
		first, end := max(info.State.FirstSeq, 1), min(before, info.State.LastSeq+1)
		for size := uint64(wanted); end > first; {
			begin := end - min(size, end-first)
			list, whole, err := w.read(ctx, begin, end)
			if err == nil && !whole {
				size = uint64(w.most)
				if begin, end, err = w.newest(ctx, begin, end); err == nil {
					list, _, err = w.read(ctx, begin, end)
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, s := range slices.Backward(list) {
				if !yield(s, nil) {
					return
				}
			}
			if 4*len(list) <= w.most && size < end-first {
				size *= 2
			}
			end = begin
		}
	}
}

// windows reads the windows of newestFirst.
type windows struct {
	box     *Inbox
	kind    string
	stream  jetstream.Stream
	subject string
	most    int // how many messages a window has at most
}

// read returns the messages from begin until end, the oldest first. It reports whether it has read the whole window.
func (w *windows) read(ctx context.Context, begin, end uint64) (list []*storedEntry, whole bool, err error) {
	for begin < end {
		raw, err := getNext(ctx, w.stream, begin, w.subject)
		switch {
		case err != nil:
			return nil, false, err
		case raw == nil || raw.Sequence >= end:
			return list, true, nil
		case len(list) == w.most:
			return nil, false, nil
		}
		s, _ := w.box.storedEntryOf(w.kind, raw)
		s.entry = engine.Listed(s.entry) // frees the body
		list = append(list, s)
		begin = raw.Sequence + 1
	}
	return list, true, nil
}

// newest returns the window of the newest message from begin until end, with at most most sequences.
func (w *windows) newest(ctx context.Context, begin, end uint64) (newBegin, newEnd uint64, err error) {
	for end-begin > uint64(w.most) {
		middle := begin + (end-begin)/2
		raw, err := getNext(ctx, w.stream, middle, w.subject)
		switch {
		case err != nil:
			return 0, 0, err
		case raw == nil || raw.Sequence >= end:
			end = middle
		default:
			begin = middle
		}
	}
	return begin, end, nil
}

// getNext returns the first message under a subject whose sequence is at least seq, or nil.
func getNext(ctx context.Context, s jetstream.Stream, seq uint64, subject string) (*jetstream.RawStreamMsg, error) {
	return found(s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject)))
}

// found returns nil in place of the error that there is no such message.
func found(raw *jetstream.RawStreamMsg, err error) (*jetstream.RawStreamMsg, error) {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil //nolint:nilnil // documented
	case err != nil:
		return nil, fmt.Errorf("jetstreaminbox: %w", err)
	}
	return raw, nil
}

// leasedMessages iterates over the deliveries that this process has leased, below a sequence, the newest first.
func (b *Inbox) leasedMessages(ctx context.Context, leases map[uint64]lease, before uint64) iter.Seq2[*storedEntry, error] {
	var list []uint64
	for seq := range leases {
		if seq < before {
			list = append(list, seq)
		}
	}
	slices.Sort(list)
	return func(yield func(*storedEntry, error) bool) {
		for _, seq := range slices.Backward(list) {
			raw, err := found(b.mainStream().GetMsg(ctx, seq))
			if err == nil && raw == nil { // it has ended meanwhile
				continue
			}
			var s *storedEntry
			if err == nil {
				s, _ = b.storedEntryOf(kindIn, raw)
				s.entry = engine.Listed(s.entry)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}
