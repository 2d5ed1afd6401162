package sqliteinbox

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// The defaults of [Search].
const (
	DefaultSearchLimit   = 100
	DefaultSearchMaxRead = 10_000
)

// A Search configures [Inbox.Search]. The zero value of each field means its default.
type Search struct {
	// State selects the entries of one state. Empty selects every state.
	State inbox.State

	// Match selects entries. It gets them without bodies, see [Inbox.Search]. Nil selects every entry.
	Match func(e *inbox.Entry) bool

	// Before is the Next of the previous page. If it is empty, the search begins with the newest entry.
	Before string

	// Limit is the highest number of entries in a page. Defaults to [DefaultSearchLimit].
	Limit int

	// MaxRead is the highest number of entries to read, whether they match or not. Defaults to [DefaultSearchMaxRead].
	MaxRead int
}

// A Page is one page of the results of a [Search].
type Page struct {
	Entries []inbox.Entry

	// Next is the [Search.Before] of the next page. It is empty on the last page. A page without entries may have a Next.
	Next string

	// ReadUntil is set if the page ends because of [Search.MaxRead]: it is when the last entry that was read was
	// received. Zero otherwise.
	ReadUntil time.Time
}

// searchAtOnce is how many entries one query of a search reads.
const searchAtOnce = 200

// Search returns entries, the newest first. It reads a bounded number of entries, so a page can be short or empty
// although more entries match. Use Next to continue.
//
// The entries have the fields that a list shows. In Delivery, only Vendor, Endpoint, Type, ID and ReceivedAt are set.
// Body is empty, or nil if it has been purged. [Inbox.Entry] returns the full entry.
func (b *Inbox) Search(ctx context.Context, s Search) (Page, error) {
	limit, maxRead := cmp.Or(s.Limit, DefaultSearchLimit), cmp.Or(s.MaxRead, DefaultSearchMaxRead)
	if limit < 0 || maxRead < 0 {
		return Page{}, fmt.Errorf("sqliteinbox: Search.Limit (%d) and Search.MaxRead (%d) must not be negative", limit, maxRead)
	}
	before := int64(math.MaxInt64)
	if s.Before != "" {
		id, err := strconv.ParseInt(s.Before, 10, 64)
		if err != nil {
			return Page{}, fmt.Errorf("sqliteinbox: Search.Before (%q) must be empty or the Next of a Page", s.Before)
		}
		before = id
	}
	query, err := b.searchQuery(ctx, s.State, maxRead)
	if err != nil {
		return Page{}, err
	}
	var found Page
	var last row
	for read := 0; read < maxRead; {
		n := min(searchAtOnce, maxRead-read)
		rows, err := b.page(ctx, query, before, n)
		if err != nil {
			return Page{}, err
		}
		for i := range rows {
			r := &rows[i]
			if s.State != "" && r.State != s.State || s.Match != nil && !s.Match(&r.Entry) {
				continue
			}
			if len(found.Entries) == limit {
				found.Next = found.Entries[limit-1].ID
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

// The queries of a search. They read at most ?2 entries, with IDs below ?1.
const (
	searchColumns = `SELECT e.id, e.handler, e.type, e.delivery_id, e.received_at, e.state, e.due_at, e.rerun, coalesce(e.attempts, ''), '', e.state <> 5, NULL
FROM aihooks_inbox e WHERE e.id `
	searchAll     = searchColumns + `< ?1 ORDER BY e.id DESC LIMIT ?2`
	searchByState = searchColumns + `IN (SELECT id FROM aihooks_inbox INDEXED BY aihooks_inbox_due
WHERE state IN (%s) AND id < ?1 ORDER BY id DESC LIMIT ?2) ORDER BY e.id DESC`
	countState = `SELECT count(*) FROM (SELECT 1 FROM aihooks_inbox INDEXED BY aihooks_inbox_due WHERE state IN (%s) LIMIT ?1)`
)

// searchQuery returns the query of a search. If a state has few entries, the query finds them by the index, because they
// may come after a million others. The index is in another order than the search. So if a state has many entries, the
// query reads all entries in order.
func (b *Inbox) searchQuery(ctx context.Context, s inbox.State, few int) (string, error) {
	if s == "" {
		return searchAll, nil
	}
	codes := codesOf(s)
	if len(codes) == 0 {
		return "", fmt.Errorf("sqliteinbox: Search.State (%q) must be empty or a State of package inbox", s)
	}
	list := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(codes)), ", "), "[]")
	var n int
	if err := b.reads.QueryRowContext(ctx, fmt.Sprintf(countState, list), few+1).Scan(&n); err != nil {
		return "", fmt.Errorf("sqliteinbox: %w", err)
	}
	if n > few {
		return searchAll, nil
	}
	return fmt.Sprintf(searchByState, list), nil
}
