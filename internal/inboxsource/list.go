package inboxsource

import (
	"context"
	"slices"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/page"
)

var states = []inbox.State{inbox.DeadLettered, inbox.Pending, inbox.Running, inbox.Deferred, inbox.Done}

// List implements [page.Source].
func (s *Source) List(ctx context.Context, q page.Query) (page.List, error) {
	if q.Verdict != "" && !slices.Contains(states, inbox.State(q.Verdict)) {
		return page.List{}, nil // a verdict of another source, from an old address
	}
	found, err := s.box.List(ctx, inbox.Query{
		Filter: s.Filter(q), Cursor: q.Before, Limit: min(q.Limit, inbox.MaxLimit),
	})
	if err != nil {
		return page.List{}, err
	}
	list := page.List{Next: found.Next, ReadUntil: found.ReadUntil}
	for i := range found.Entries {
		list.Items = append(list.Items, s.Item(&found.Entries[i]))
	}
	return list, nil
}

// Filter implements [page.OperatorSource].
func (s *Source) Filter(q page.Query) inbox.Filter {
	return inbox.Filter{State: inbox.State(q.Verdict), Vendor: q.Vendor, Endpoint: q.Endpoint, Type: q.Type, Text: q.Text}
}

// Operator implements [page.OperatorSource].
func (s *Source) Operator() inbox.Operator { return s.box }
