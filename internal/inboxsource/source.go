// Package inboxsource implements the [page.Source] of package inboxweb and of `aihooks inbox --web`. It shows an inbox of any
// engine, whether the service runs or not.
package inboxsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/page"
)

// Source is a [page.OperatorSource] that shows an inbox.
type Source struct {
	box   inbox.Operator
	title string
}

var _ page.OperatorSource = (*Source)(nil)

// New returns a source for an inbox. The title is the title of the page, such as the name of the file. The caller must close the
// inbox after it has stopped the page's server. The source runs no callbacks: the service runs them.
func New(box inbox.Operator, title string) *Source {
	return &Source{box: box, title: title}
}

// Overview implements [page.Source].
func (s *Source) Overview(ctx context.Context) (page.Overview, error) {
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return page.Overview{}, err
	}
	o := page.Overview{
		Title: s.title,
		Hint:  "The inbox is empty. Deliveries appear here when the service stores them.",
		Verdicts: []page.Count{
			{Name: string(inbox.DeadLettered), Tone: page.Bad, N: stats.DeadLettered},
			{Name: string(inbox.Pending), Tone: page.Idle, N: stats.Pending},
			{Name: string(inbox.Running), Tone: page.Idle, N: stats.Running},
			{Name: string(inbox.Deferred), Tone: page.Warn, N: stats.Deferred},
			{Name: string(inbox.Done), Tone: page.Good, N: stats.Done},
		},
	}
	vendors := make(map[string]int)
	for name, c := range stats.Endpoints {
		vendor, _, _ := strings.Cut(name, "/")
		vendors[vendor] += c.Pending + c.Running + c.Deferred + c.DeadLettered + c.Done
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
		Item: s.Item(&e), Header: e.Delivery.Header, Body: e.Delivery.Body, Gone: e.Delivery.Body == nil,
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
		done = "The delivery is pending again. The service runs it soon."
	case "rerun":
		do, done = s.box.Rerun, "The delivery is pending again, and runs even if it was already handled."
	case "discard":
		do, done = s.box.Discard, "The delivery was discarded, and its body was deleted."
	default:
		return "", fmt.Errorf("unknown action %q", action)
	}
	_, err := do(ctx, inbox.Filter{ID: id})
	if action == discard.Name && errors.Is(err, inbox.ErrNotFound) {
		_, err = do(ctx, inbox.Filter{ID: id, State: inbox.Deferred})
	}
	if err != nil {
		return "", notFound(err)
	}
	return done, nil
}

// notFound converts [inbox.ErrNotFound] to [page.ErrNotFound].
func notFound(err error) error {
	if errors.Is(err, inbox.ErrNotFound) {
		return fmt.Errorf("%w, or its state has changed", page.ErrNotFound)
	}
	return err
}
