// Package inboxsource shows an SQLite inbox on the page, while the service runs or not: it is the [page.Source] of aihooks
// inbox --web.
package inboxsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

// Source shows an inbox.
type Source struct {
	box   *sqlite.Inbox
	title string
}

var _ page.Source = (*Source)(nil)

// New returns a source over an inbox, which the caller closes after the page's server. The title is that of the page: the
// file's name. The source runs no callbacks: what is to be tried again is run by the service that has the file open.
func New(box *sqlite.Inbox, title string) *Source { return &Source{box: box, title: title} }

// Overview implements [page.Source].
func (s *Source) Overview(ctx context.Context) (page.Overview, error) {
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return page.Overview{}, err
	}
	o := page.Overview{
		Title: s.title,
		Hint:  "The inbox is empty. What the service stores in it appears here.",
		Verdicts: []page.Count{
			{Name: string(inbox.Dead), Tone: page.Bad, N: stats.Dead},
			{Name: string(inbox.Pending), Tone: page.Idle, N: stats.Pending},
			{Name: string(inbox.Running), Tone: page.Idle, N: stats.Running},
			{Name: string(inbox.Waiting), Tone: page.Warn, N: stats.Waiting},
			{Name: string(inbox.Done), Tone: page.Good, N: stats.Done},
		},
	}
	vendors := make(map[string]int)
	for name, c := range stats.Endpoints {
		vendor, _, _ := strings.Cut(name, "/")
		vendors[vendor] += c.Pending + c.Running + c.Waiting + c.Dead + c.Done
	}
	for _, vendor := range slices.Sorted(maps.Keys(vendors)) {
		o.Vendors = append(o.Vendors, page.Count{Name: vendor, N: vendors[vendor]})
	}
	return o, nil
}

// Detail implements [page.Source].
func (s *Source) Detail(ctx context.Context, id string) (page.Detail, error) {
	e, err := s.box.Entry(ctx, id)
	if err != nil {
		return page.Detail{}, notFound(err)
	}
	d := page.Detail{
		Item: item(&e), Header: e.Delivery.Header, Body: e.Delivery.Body, Gone: e.Delivery.Body == nil,
		Attempts: e.Attempts, Due: e.Due, Since: e.Since,
	}
	for _, fact := range []page.Fact{
		{Name: "Event id", Value: e.Delivery.EventID}, {Name: "Signed by", Value: e.Delivery.SignedBy}, {Name: "Form", Value: e.Delivery.Form},
	} {
		if fact.Value != "" {
			d.Facts = append(d.Facts, fact)
		}
	}
	return d, nil
}

// Act implements [page.Source].
func (s *Source) Act(ctx context.Context, id, action string) (string, error) {
	do := s.box.Retry
	var done string
	switch action {
	case "retry":
		done = "It is pending again: the service runs it next."
	case "rerun":
		do, done = s.box.Rerun, "It is pending again, under a key of its own: the service runs it next."
	case "discard":
		do, done = s.box.Discard, "It has been discarded, and its body deleted."
	default:
		return "", fmt.Errorf("an entry cannot be told to %q", action)
	}
	_, err := do(ctx, inbox.Filter{ID: id})
	if action == discard.Name && errors.Is(err, inbox.ErrNotFound) {
		_, err = do(ctx, inbox.Filter{ID: id, State: inbox.Waiting})
	}
	if err != nil {
		return "", notFound(err)
	}
	return done, nil
}

// notFound says what an inbox finds missing in the page's words.
func notFound(err error) error {
	if errors.Is(err, inbox.ErrNotFound) {
		return fmt.Errorf("%w, or its state has changed", page.ErrNotFound)
	}
	return err
}
