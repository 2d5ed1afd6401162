package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	At  time.Time `json:"at"`            // what entered the state earlier was seen
	IDs []string  `json:"ids,omitempty"` // what entered it later and was seen
}

func (c *cursor) String() string {
	text, _ := json.Marshal(c) // never fails
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(s string) (c cursor, err error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, errors.New("cursor must be the cursor of a result of wait_for_deliveries")
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
		return "", fmt.Errorf("seconds must be from 0 to %.0f", maxWait.Seconds())
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
	for range inbox.Watch(watching, s.box) {
		next, found, err := s.after(ctx, f, from)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			continue
		}
		text, err := fencedJSON(fmt.Sprintf("%d new deliveries. The text", len(found)), summariesOf(found))
		return text + "\nContinue with the cursor " + next.String(), err
	}
	return fmt.Sprintf("There were no new deliveries in %s. Continue with the cursor %s", wait, from.String()), ctx.Err()
}

// after returns the entries that entered the state after a cursor, the earliest first, and the cursor after them. The zero
// cursor is before all of them.
func (s *server) after(ctx context.Context, f inbox.Filter, from cursor) (next cursor, found []inbox.Entry, err error) {
	q := inbox.Query{Filter: f, Limit: inbox.MaxLimit}
	var seen []inbox.Entry
	for range maxPages { // a page may have no entry: see inbox.Page
		page, err := s.box.List(ctx, q)
		if err != nil {
			return from, nil, err
		}
		for _, e := range page.Entries {
			switch {
			case !enteredAt(&e).After(from.At):
			case slices.Contains(from.IDs, e.ID):
				seen = append(seen, e)
			default:
				found = append(found, e)
			}
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	slices.SortStableFunc(found, func(a, b inbox.Entry) int { return enteredAt(&a).Compare(enteredAt(&b)) })
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
	for _, e := range slices.Concat(seen, found) {
		if enteredAt(&e).After(next.At) {
			next.IDs = append(next.IDs, e.ID)
		}
	}
	return next, found, nil
}
