package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// The times and the bounds of wait_for_deliveries.
const (
	defaultWait = 30 * time.Second
	maxWait     = 5 * time.Minute
	maxWaited   = 100 // deliveries in one result
	maxPages    = 5   // pages of the newest entries that are read
	maxSeen     = 400 // entries that a cursor has
)

type waitInput struct {
	filter

	Cursor  string `json:"cursor,omitempty" jsonschema:"the cursor of the previous result"`
	Seconds int    `json:"seconds,omitempty" jsonschema:"how long to wait, 30 by default and at most 300"`
}

// overlap is how much later than its time an entry may appear in a list: the clocks of processes differ, and storing takes a
// while.
const overlap = 10 * time.Second

// A cursor is a position in the order in which entries entered a state. It survives restarts of the agent and of the server.
type cursor struct {
	At   time.Time `json:"at"`             // what entered the state earlier was seen
	Seen []byte    `json:"seen,omitempty"` // the marks of what entered it later and was seen
}

// markSize is the length of a mark in bytes. A model copies the cursor, so it must be short.
const markSize = 4

// mark returns a short hash of an entry and of when it entered its state: a dead letter may be retried, and fail again.
func mark(e *inbox.Entry) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", e.ID, enteredAt(e).UnixNano()))
	return sum[:markSize]
}

// seen returns the marks of the cursor.
func (c *cursor) seen() map[string]bool {
	marks := make(map[string]bool)
	for m := range slices.Chunk(c.Seen, markSize) {
		marks[string(m)] = true
	}
	return marks
}

func (c *cursor) String() string {
	text, _ := json.Marshal(c) //nolint:errchkjson // fails only for years after 9999
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(s string) (c cursor, err error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, refuse("cursor must be the cursor of a result of wait_for_deliveries")
	}
	return c, nil
}

// enteredAt returns when an entry entered its state, as far as the inbox knows.
func enteredAt(e *inbox.Entry) time.Time {
	if !e.Since.IsZero() {
		return e.Since
	}
	return e.Delivery.ReceivedAt
}

func (s *server) wait(ctx context.Context, _ string, in waitInput) (string, error) {
	f, err := in.get()
	if err != nil {
		return "", err
	}
	wait := defaultWait
	if in.Seconds != 0 {
		wait = time.Duration(in.Seconds) * time.Second
	}
	if wait < 0 || wait > maxWait {
		return "", refuse("seconds must be from 0 to %.0f", maxWait.Seconds())
	}
	if in.Cursor == "" {
		c, _, err := s.after(ctx, f, cursor{})
		return "Nothing was waited for. Continue with the cursor " + c.String(), err
	}
	from, err := parseCursor(in.Cursor)
	if err != nil {
		return "", err
	}
	watching, stop := context.WithTimeout(ctx, wait)
	defer stop()
	var failed error // of the last look; the inbox may recover
	for range inbox.Watch(watching, s.box) {
		next, found, err := s.after(ctx, f, from)
		if failed = err; len(found) == 0 {
			continue
		}
		text, err := fencedJSON(fmt.Sprintf("%d new deliveries. The text", len(found)), summariesOf(found))
		return text + "\nContinue with the cursor " + next.String(), err
	}
	if failed != nil {
		return "", refuse("%v\nContinue with the cursor %s", explainError(ctx, failed), from.String())
	}
	return fmt.Sprintf("There were no new deliveries in %s. Continue with the cursor %s", wait, from.String()), ctx.Err()
}

// after returns the entries that entered the state after a cursor, the earliest first, and the cursor after them. The zero
// cursor is before all of them.
func (s *server) after(ctx context.Context, f inbox.Filter, from cursor) (next cursor, found []inbox.Entry, err error) {
	q := inbox.Query{Filter: f, Limit: inbox.MaxLimit}
	known := from.seen()
	var seen []inbox.Entry
	for range maxPages { // a page may have no entry: see inbox.Page
		page, err := s.box.List(ctx, q)
		if err != nil {
			return from, nil, err
		}
		for _, e := range page.Entries {
			switch {
			case !enteredAt(&e).After(from.At):
			case known[string(mark(&e))]:
				seen = append(seen, e)
			default:
				found = append(found, e)
			}
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	byTime := func(a, b inbox.Entry) int { return enteredAt(&a).Compare(enteredAt(&b)) }
	slices.SortStableFunc(found, byTime)
	if !from.At.IsZero() {
		found = fitting(found[:min(len(found), maxWaited)])
	}
	next.At = from.At
	if n := len(found); n > 0 {
		at := enteredAt(&found[n-1])
		if now := time.Now(); at.After(now) {
			at = now // by a clock that is ahead; what enters the state meanwhile is not seen yet
		}
		if at = at.Add(-overlap); at.After(next.At) {
			next.At = at
		}
	}
	if next.At.IsZero() {
		next.At = time.Unix(0, 0).UTC()
	}
	recent := slices.DeleteFunc(slices.Concat(seen, found), func(e inbox.Entry) bool { return !enteredAt(&e).After(next.At) })
	slices.SortStableFunc(recent, byTime)
	if older := len(recent) - maxSeen; older > 0 && len(found) > 0 { // after a burst, the overlap is shorter
		next.At = enteredAt(&recent[older-1])
		if last := enteredAt(&found[len(found)-1]); !next.At.Before(last) {
			next.At = last.Add(-1) // others may have entered at the same time
		}
	}
	for _, e := range recent {
		if enteredAt(&e).After(next.At) {
			next.Seen = append(next.Seen, mark(&e)...)
		}
	}
	return next, found, nil
}
