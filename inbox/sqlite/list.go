package sqliteinbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// listAtOnce is how many entries one query of a list reads, and maxListed how many entries are read for one page.
const (
	listAtOnce = 200
	maxListed  = 10_000
)

// List implements [inbox.Operator]. A page reads at most 10,000 entries.
func (b *Inbox) List(ctx context.Context, q inbox.Query) (inbox.Page, error) {
	q, err := engine.CheckQuery(q)
	if err != nil {
		return inbox.Page{}, fmt.Errorf("sqliteinbox: %w", err)
	}
	if q.ID != "" {
		return b.listOne(ctx, q)
	}
	before := int64(math.MaxInt64)
	if q.Cursor != "" {
		id, err := strconv.ParseInt(q.Cursor, 10, 64)
		if err != nil {
			return inbox.Page{}, fmt.Errorf("sqliteinbox: %w", engine.ErrCursor)
		}
		before = id
	}
	query, err := b.listQuery(ctx, q.State)
	if err != nil {
		return inbox.Page{}, err
	}
	var found inbox.Page
	var last row
	for read := 0; read < b.maxListed; {
		n := min(listAtOnce, b.maxListed-read)
		rows, err := b.page(ctx, query, before, n)
		if err != nil {
			return inbox.Page{}, err
		}
		for i := range rows {
			r := &rows[i]
			if !q.Matches(&r.Entry) {
				continue
			}
			if len(found.Entries) == q.Limit {
				found.Next = found.Entries[q.Limit-1].ID
				return found, nil
			}
			found.Entries = append(found.Entries, r.Entry)
		}
		if len(rows) < n {
			return found, nil
		}
		last = rows[n-1]
		read, before = read+n, last.id
	}
	found.Next, found.ReadUntil = last.ID, last.Delivery.ReceivedAt
	return found, nil
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

// The queries of a list. They read at most ?2 entries, with IDs below ?1.
const (
	listColumns = `SELECT e.id, e.handler, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''), '', e.state <> 5, NULL
FROM aihooks_inbox e WHERE e.id `
	listAll     = listColumns + `< ?1 ORDER BY e.id DESC LIMIT ?2`
	listByState = listColumns + `IN (SELECT id FROM aihooks_inbox INDEXED BY aihooks_inbox_due
WHERE state IN (%s) AND id < ?1 ORDER BY id DESC LIMIT ?2) ORDER BY e.id DESC`
	countState = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_due WHERE state IN (%s) LIMIT ?1)`
)

// listQuery returns the query of a list. If a state has few entries, the query finds them by the index, because they
// may come after a million others. The index is in another order than the list. So if a state has many entries, the
// query reads all entries in order.
func (b *Inbox) listQuery(ctx context.Context, s inbox.State) (string, error) {
	if s == "" {
		return listAll, nil
	}
	codes := codesOf(s)
	list := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(codes)), ", "), "[]")
	var n int
	if err := b.reads.QueryRowContext(ctx, fmt.Sprintf(countState, list), b.maxListed+1).Scan(&n); err != nil {
		return "", fmt.Errorf("sqliteinbox: %w", err)
	}
	if n > b.maxListed {
		return listAll, nil
	}
	return fmt.Sprintf(listByState, list), nil
}
