package inboxsource

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

var states = []inbox.State{inbox.DeadLettered, inbox.Pending, inbox.Running, inbox.Deferred, inbox.Done}

// List implements [page.Source]. It reads at most [sqliteinbox.DefaultSearchMaxRead] entries, because an inbox may have a million.
func (s *Source) List(ctx context.Context, q page.Query) (page.List, error) {
	if _, err := strconv.ParseInt(q.Before, 10, 64); q.Before != "" && err != nil {
		return page.List{}, fmt.Errorf("%q is not a position in the list", q.Before)
	}
	if q.Verdict != "" && !slices.Contains(states, inbox.State(q.Verdict)) {
		return page.List{}, nil // a verdict of another source, from an old address
	}
	found, err := s.box.Search(ctx, sqliteinbox.Search{
		State: inbox.State(q.Verdict), Before: q.Before, Limit: q.Limit,
		Match: func(e *inbox.Entry) bool {
			i := item(e)
			return q.Matches(&i)
		},
	})
	if err != nil {
		return page.List{}, err
	}
	list := page.List{Next: found.Next, ReadUntil: found.ReadUntil}
	for i := range found.Entries {
		list.Items = append(list.Items, item(&found.Entries[i]))
	}
	return list, nil
}
