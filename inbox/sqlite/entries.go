package sqlite

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
	"github.com/aihooks/aihooks-go/webhook"
)

// pageSize is how many entries are read at once: a reader that stays open keeps the write-ahead log from being emptied.
const pageSize = 100

// The columns of an entry, without its body and with it. A listing reads no bodies: a page of them could fill the memory.
const (
	entryColumns = `SELECT e.id, e.hook, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''),
    coalesce(b.meta, ''), b.id IS NOT NULL, NULL`
	selectEntries = entryColumns + ` FROM aihooks_inbox e INDEXED BY %s LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE `
	selectOne     = entryColumns + ` FROM aihooks_inbox e LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE `
	selectEntry   = `SELECT e.id, e.hook, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''),
    coalesce(b.meta, ''), b.id IS NOT NULL, b.body
FROM aihooks_inbox e LEFT JOIN aihooks_inbox_body b ON b.id = e.id WHERE e.id = ?`
)

// Entry returns the entry of an ID, whatever its state, or [inbox.ErrNotFound].
func (b *Inbox) Entry(ctx context.Context, id string) (inbox.Entry, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return inbox.Entry{}, fmt.Errorf("sqlite: %w: an ID is a number, and this is %q", inbox.ErrNotFound, id)
	}
	page, err := b.page(ctx, selectEntry, n)
	switch {
	case err != nil:
		return inbox.Entry{}, err
	case len(page) == 0:
		return inbox.Entry{}, fmt.Errorf("sqlite: %w: %s", inbox.ErrNotFound, id)
	default:
		return page[0].Entry, nil
	}
}

// Dead implements [inbox.Inbox]. It reads the body of an entry when it comes to that entry, so that one body is in memory
// at a time. [Inbox.Entries] reads none.
func (b *Inbox) Dead(ctx context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		for e, err := range b.Entries(ctx, cmp.Or(f.State, inbox.Dead), f) {
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
				body = []byte{} // it is empty, and not purged
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return body, nil
}

// Entries goes through the entries of a state that the filter selects, whatever its State, without their bodies:
// Delivery.Body is empty, and nil if it has been purged. [Inbox.Entry] returns an entry with its body.
//
// Those that are dead or wait for a callback come in the order in which they came to be so, all others by vendor and endpoint, and then by when they are due or are
// done. What changes its state meanwhile may come twice, or not at all.
func (b *Inbox) Entries(ctx context.Context, s inbox.State, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		if err := f.Check(); err != nil {
			yield(inbox.Entry{}, err)
			return
		}
		found := false
		for _, code := range codesOf(s) {
			var last *row
			for {
				query, args := listing(code, f, last)
				page, err := b.page(ctx, query, args...)
				if err != nil {
					yield(inbox.Entry{}, err)
					return
				}
				for i := range page {
					found = true
					if !yield(page[i].Entry, nil) {
						return
					}
				}
				if len(page) < pageSize {
					break
				}
				last = &page[len(page)-1]
			}
		}
		if !found && f.ID != "" {
			yield(inbox.Entry{}, fmt.Errorf("sqlite: %w: %s", inbox.ErrNotFound, f.ID))
		}
	}
}

// A row is an entry and where it stands in a listing.
type row struct {
	inbox.Entry
	id, dueAt int64
	hook      string
}

// listing returns the query for the entries of a state that come after last. The index, which has the order of the listing,
// and the place after which it begins are said in full: otherwise SQLite may go through all entries for every page.
func listing(code int, f inbox.Filter, last *row) (query string, args []any) {
	conditions, args := where(code, f)
	if f.ID != "" {
		return selectOne + conditions, args
	}
	if last == nil {
		last = &row{dueAt: math.MinInt64, id: math.MinInt64}
		if f.Vendor != "" {
			last.hook = f.Vendor + "/"
		}
	}
	index, order, values := "aihooks_inbox_due", "e.hook, e.due_at, e.id", "?, ?, ?"
	after := []any{last.hook, last.dueAt, last.id}
	if code == dead || code == waiting {
		index, order, values, after = "aihooks_inbox_kept", "e.due_at, e.id", "?, ?", after[1:]
	}
	query = fmt.Sprintf(selectEntries, index) + conditions + " AND (" + order + ") > (" + values + ") ORDER BY " + order + " LIMIT " + strconv.Itoa(pageSize)
	return query, append(args, after...)
}

// where returns the conditions that a filter stands for. The state is written out, for the partial indexes.
func where(code int, f inbox.Filter) (conditions string, args []any) {
	list := []string{"e.state = " + strconv.Itoa(code)}
	add := func(condition string, values ...any) {
		list = append(list, condition)
		args = append(args, values...)
	}
	if f.ID != "" {
		id, err := strconv.ParseInt(f.ID, 10, 64)
		if err != nil {
			id = 0 // nobody's
		}
		add("e.id = ?", id)
	}
	if f.Vendor != "" {
		add("+e.hook >= ? AND e.hook < ?", f.Vendor+"/", f.Vendor+"0") // the character after the slash
	}
	if f.Endpoint != "" {
		add("substr(e.hook, instr(e.hook, '/') + 1) = ?", f.Endpoint)
	}
	if f.Type != "" {
		add("e.type = ?", f.Type)
	}
	if !f.From.IsZero() {
		add("e.received_at >= ?", f.From.UnixNano())
	}
	if !f.Until.IsZero() {
		add("e.received_at < ?", f.Until.UnixNano())
	}
	return strings.Join(list, " AND "), args
}

func (b *Inbox) page(ctx context.Context, query string, args ...any) ([]row, error) {
	rows, err := b.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	var page []row
	err = eachRow(rows, func(scan func(...any) error) error {
		r, err := scanRow(scan)
		page = append(page, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
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
	err := scan(&r.id, &r.hook, &d.Type, &d.ID, &received, &state, &r.dueAt, &rerun, &attempts, &meta, &stored, &body)
	if err != nil {
		return r, err
	}
	if stored && body == nil {
		body = []byte{} // not read, or empty: nil is one that has been purged
	}
	d.Body = body
	d.Vendor, d.Endpoint = splitHook(r.hook)
	d.ReceivedAt = time.Unix(0, received).UTC()
	r.ID, r.Delivery = strconv.FormatInt(r.id, 10), &d
	if r.State, err = stateOf(state); err != nil {
		return r, fmt.Errorf("entry %d: %w", r.id, err)
	}
	if meta != "" {
		if full, err := decode(meta, body); err == nil { // what cannot be read is a dead letter, and says why
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
	case dead, done, spent:
		r.Since = timeOf(r.dueAt)
	}
	return r, nil
}
