package sqliteinbox

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// pageSize is how many entries are read at once. A long read transaction would prevent the write-ahead log from being
// emptied.
const pageSize = 100

// The columns of an entry, without its body and with it. Lists read no bodies, because a page of bodies could fill the
// memory.
const (
	entryColumns = `SELECT e.id, e.handler, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''),
    coalesce(b.meta, ''), b.id IS NOT NULL, NULL`
	selectEntries = entryColumns + ` FROM aihooks_inbox e INDEXED BY %s LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE `
	selectOne     = entryColumns + ` FROM aihooks_inbox e LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE `
	selectEntry   = `SELECT e.id, e.handler, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''),
    coalesce(b.meta, ''), b.id IS NOT NULL, b.body
FROM aihooks_inbox e LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE e.id = ?`
)

// Entry returns the entry with an ID, in any state, or [inbox.ErrNotFound].
func (b *Inbox) Entry(ctx context.Context, id string) (inbox.Entry, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return inbox.Entry{}, fmt.Errorf("sqliteinbox: %w: ID %q must be a number", inbox.ErrNotFound, id)
	}
	page, err := b.page(ctx, selectEntry, n)
	switch {
	case err != nil:
		return inbox.Entry{}, err
	case len(page) == 0:
		return inbox.Entry{}, fmt.Errorf("sqliteinbox: %w: %s", inbox.ErrNotFound, id)
	default:
		return page[0].Entry, nil
	}
}

// DeadLetters implements [inbox.Inbox]. It reads the body of an entry only when it yields that entry, so that one body is
// in memory at a time. [Inbox.List] reads no bodies.
func (b *Inbox) DeadLetters(ctx context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		for e, err := range b.entries(ctx, cmp.Or(f.State, inbox.DeadLettered), f) {
			if err == nil && e.Delivery.Body != nil {
				e.Delivery.Body, err = b.body(ctx, e.ID)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// body returns the body of an entry, or nil if it has been purged.
func (b *Inbox) body(ctx context.Context, id string) (body []byte, err error) {
	rows, err := b.reads.QueryContext(ctx, `SELECT body FROM aihooks_inbox_body WHERE id = ?`, id)
	if err == nil {
		err = eachRow(rows, func(scan func(...any) error) error {
			err := scan(&body)
			if body == nil {
				body = []byte{} // empty, not purged
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: %w", err)
	}
	return body, nil
}

// entries iterates over the entries of a state that the filter selects; it ignores Filter.State. It does not read bodies:
// Delivery.Body is empty, or nil if the body has been purged.
//
// Dead-lettered and deferred entries come in the order in which they entered that state. Other entries come by vendor and
// endpoint, and then by when they are due or were done. An entry whose state changes meanwhile may come twice, or not at
// all.
func (b *Inbox) entries(ctx context.Context, s inbox.State, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	unstated := f
	unstated.State, f.State = "", s
	return func(yield func(inbox.Entry, error) bool) {
		if err := engine.CheckFilter(unstated); err != nil {
			yield(inbox.Entry{}, err)
			return
		}
		found := false
		for _, code := range codesOf(s) {
			for e, err := range b.entriesOf(ctx, code, f) {
				found = true
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
		if !found && f.ID != "" {
			yield(inbox.Entry{}, fmt.Errorf("sqliteinbox: %w: %s", inbox.ErrNotFound, f.ID))
		}
	}
}

// entriesOf is entries for the rows of one state.
func (b *Inbox) entriesOf(ctx context.Context, code int, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		var last *row
		for {
			query, args := listing(code, f, last)
			page, err := b.page(ctx, query, args...)
			if err != nil {
				yield(inbox.Entry{}, err)
				return
			}
			for i := range page {
				// The query does not search for Text.
				if f.Matches(&page[i].Entry) && !yield(page[i].Entry, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			last = &page[len(page)-1]
		}
	}
}

// A row is an entry and its position in a list.
type row struct {
	inbox.Entry
	id, dueAt int64
	handler   string
}

// listing returns the query for the entries of a state that come after last. It names the index, which has the order of
// the list, and the start position. Without them, SQLite may read all entries for every page.
func listing(code int, f inbox.Filter, last *row) (query string, args []any) {
	conditions, args := where(code, f)
	if f.ID != "" {
		return selectOne + conditions, args
	}
	if last == nil {
		last = &row{dueAt: math.MinInt64, id: math.MinInt64}
		if f.Vendor != "" {
			last.handler = f.Vendor + "/"
		}
	}
	index, order, values := "aihooks_inbox_due", "e.handler, e.due_at, e.id", "?, ?, ?"
	after := []any{last.handler, last.dueAt, last.id}
	if code == deadLettered || code == deferred {
		index, order, values, after = "aihooks_inbox_kept", "e.due_at, e.id", "?, ?", after[1:]
	}
	query = fmt.Sprintf(selectEntries, index) + conditions + " AND (" + order + ") > (" + values + ") ORDER BY " + order + " LIMIT " + strconv.Itoa(pageSize)
	return query, append(args, after...)
}

// where returns the SQL conditions for a filter. The state is a literal, so that SQLite can use the partial indexes.
func where(code int, f inbox.Filter) (conditions string, args []any) {
	list := []string{"e.state = " + strconv.Itoa(code)}
	add := func(condition string, values ...any) {
		list = append(list, condition)
		args = append(args, values...)
	}
	if f.ID != "" {
		id, err := strconv.ParseInt(f.ID, 10, 64)
		if err != nil {
			id = 0 // no entry has this ID
		}
		add("e.id = ?", id)
	}
	if f.Vendor != "" {
		add("+e.handler >= ? AND e.handler < ?", f.Vendor+"/", f.Vendor+"0") // '0' follows '/'
	}
	if f.Endpoint != "" {
		add("substr(e.handler, instr(e.handler, '/') + 1) = ?", f.Endpoint)
	}
	if f.Type != "" {
		add("e.type = ?", f.Type)
	}
	if !f.From.IsZero() {
		add("e.received_at >= ?", nanoseconds(f.From))
	}
	if !f.Until.IsZero() {
		add("e.received_at < ?", nanoseconds(f.Until))
	}
	return strings.Join(list, " AND "), args
}

// nanoseconds returns t.UnixNano, or the nearest number if that would overflow.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

func (b *Inbox) page(ctx context.Context, query string, args ...any) ([]row, error) {
	rows, err := b.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: %w", err)
	}
	var page []row
	err = eachRow(rows, func(scan func(...any) error) error {
		r, err := scanRow(scan)
		page = append(page, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqliteinbox: %w", err)
	}
	return page, nil
}

func scanRow(scan func(...any) error) (row, error) {
	var r row
	var d webhook.Delivery
	var attempts, meta string
	var body []byte
	var received int64
	var state, rerun int
	var stored bool
	err := scan(&r.id, &r.handler, &d.Type, &d.ID, &received, &state, &r.dueAt, &rerun, &attempts, &meta, &stored, &body)
	if err != nil {
		return r, err
	}
	if stored && body == nil {
		body = []byte{} // not read, or empty; nil means purged
	}
	d.Body = body
	d.Vendor, d.Endpoint = splitEndpoint(r.handler)
	d.ReceivedAt = time.Unix(0, received).UTC()
	r.ID, r.Delivery = strconv.FormatInt(r.id, 10), &d
	if r.State, err = stateOf(state); err != nil {
		return r, fmt.Errorf("entry %d: %w", r.id, err)
	}
	if meta != "" {
		if full, err := decode(meta, body); err == nil { // an unreadable one becomes a dead letter with this error
			r.Delivery = full
		}
	}
	if rerun > 0 {
		r.Delivery = r.Delivery.Again(rerun)
	}
	r.Attempts, _ = readHistory(attempts)
	switch state {
	case pending, suspect, running:
		r.Due = timeOf(r.dueAt)
	case deadLettered, done, spent:
		r.Since = timeOf(r.dueAt)
	}
	return r, nil
}
