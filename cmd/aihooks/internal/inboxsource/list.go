package inboxsource

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

// An inbox may have a million entries, each with a body: maxRead of them are read at once, and those of a state that has
// more by spans of time.
const (
	maxRead   = 1000
	firstSpan = 10 * time.Minute
	shortest  = time.Second
	longest   = 100 * 365 * 24 * time.Hour
)

// A place is where a list ends: before an entry, in the order of the page.
type place struct {
	at int64 // nanoseconds
	id int64
}

// List implements [page.Source].
func (s *Source) List(ctx context.Context, q page.Query) (page.List, error) {
	end, err := readPlace(q.Before)
	if err != nil {
		return page.List{}, err
	}
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return page.List{}, err
	}
	var found []page.Item
	for state, n := range counts(&stats) {
		if n == 0 || q.Verdict != "" && q.Verdict != string(state) {
			continue
		}
		items, err := s.newest(ctx, state, n, &q, end)
		if err != nil {
			return page.List{}, err
		}
		found = append(found, items...)
	}
	slices.SortFunc(found, func(a, b page.Item) int { return placeOf(&b).compare(placeOf(&a)) })
	if len(found) <= q.Limit {
		return page.List{Items: found}, nil
	}
	found = found[:q.Limit]
	return page.List{Items: found, Next: placeOf(&found[q.Limit-1]).String()}, nil
}

func counts(stats *sqlite.Stats) map[inbox.State]int {
	return map[inbox.State]int{
		inbox.Dead: stats.Dead, inbox.Pending: stats.Pending, inbox.Running: stats.Running, inbox.Waiting: stats.Waiting, inbox.Done: stats.Done,
	}
}

// newest returns more than q.Limit entries of a state, the newest there are before a place, or all. The inbox itself goes
// through them by endpoint and by when they are due: so it is asked for a short span of time, and then for the one before.
func (s *Source) newest(ctx context.Context, state inbox.State, n int, q *page.Query, end place) ([]page.Item, error) {
	filter := inbox.Filter{Vendor: q.Vendor, All: true}
	if end.at < math.MaxInt64 {
		filter.Until = time.Unix(0, end.at+1)
	}
	if n <= maxRead {
		items, _, err := s.read(ctx, state, filter, q, end, math.MaxInt)
		return items, err
	}
	if filter.Until.IsZero() {
		filter.Until = time.Now().Add(time.Minute) // clocks are set back
	}
	var found []page.Item
	for span := firstSpan; len(found) <= q.Limit && span < longest; {
		filter.From = filter.Until.Add(-span)
		items, all, err := s.read(ctx, state, filter, q, end, maxRead)
		if err != nil {
			return nil, err
		}
		if !all && span > shortest {
			span = max(span/8, shortest)
			continue
		}
		found, filter.Until = append(found, items...), filter.From
		span *= 4
	}
	return found, nil
}

// read returns the entries that a filter selects and the page asks for, without their bodies, and whether these are all.
func (s *Source) read(ctx context.Context, state inbox.State, f inbox.Filter, q *page.Query, end place, most int) (items []page.Item, all bool, err error) {
	n := 0
	for e, err := range s.box.Entries(ctx, state, f) {
		if err != nil {
			return nil, false, err
		}
		if n++; n > most {
			return items, false, nil
		}
		if i := item(&e); placeOf(&i).compare(end) < 0 && q.Matches(&i) {
			items = append(items, i)
		}
	}
	return items, true, nil
}

func placeOf(i *page.Item) place {
	id, _ := strconv.ParseInt(i.ID, 10, 64) // an inbox's IDs are numbers
	return place{i.At.UnixNano(), id}
}

func (p place) compare(o place) int { return cmp.Or(cmp.Compare(p.at, o.at), cmp.Compare(p.id, o.id)) }

func (p place) String() string {
	return strconv.FormatInt(p.at, 10) + "-" + strconv.FormatInt(p.id, 10)
}

func readPlace(s string) (place, error) {
	if s == "" {
		return place{math.MaxInt64, math.MaxInt64}, nil
	}
	at, id, _ := strings.Cut(s, "-")
	a, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%q is no place in the list", s)
	}
	b, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%q is no place in the list", s)
	}
	return place{a, b}, nil
}
