// Package memorybox has an inbox.Operator in memory for tests. It runs no callbacks.
package memorybox

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Box is an inbox that keeps its entries in memory. Its methods are safe for concurrent use.
type Box struct {
	mu      sync.Mutex
	entries []*inbox.Entry // the newest first
	last    int
	pauses  []inbox.Pause
	audit   []inbox.Change
	lists   int
}

var _ inbox.Operator = (*Box)(nil)

// Add adds an entry as the newest, and returns its ID.
func (b *Box) Add(state inbox.State, d webhook.Delivery, attempts ...inbox.Attempt) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	if d.ReceivedAt.IsZero() {
		d.ReceivedAt = time.Now()
	}
	e := &inbox.Entry{ID: strconv.Itoa(b.last), State: state, Delivery: &d, Attempts: attempts}
	if state == inbox.DeadLettered || state == inbox.Done {
		e.Since = time.Now()
	}
	b.entries = slices.Insert(b.entries, 0, e)
	return e.ID
}

// Lists returns the number of calls of List.
func (b *Box) Lists() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lists
}

// List implements [inbox.Operator].
func (b *Box) List(_ context.Context, q inbox.Query) (inbox.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lists++
	if q.Limit == 0 {
		q.Limit = inbox.DefaultLimit
	}
	from, _ := strconv.Atoi(q.Cursor)
	var page inbox.Page
	for i, e := range b.entries[min(from, len(b.entries)):] {
		if len(page.Entries) == q.Limit {
			page.Next = strconv.Itoa(from + i)
			break
		}
		if q.Matches(e) {
			page.Entries = append(page.Entries, clone(e))
		}
	}
	return page, nil
}

func clone(e *inbox.Entry) inbox.Entry {
	c := *e
	d := *e.Delivery
	c.Delivery, c.Attempts = &d, slices.Clone(e.Attempts)
	return c
}

// Entry implements [inbox.Operator].
func (b *Box) Entry(_ context.Context, id string) (inbox.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.ID == id {
			return clone(e), nil
		}
	}
	return inbox.Entry{}, inbox.ErrNotFound
}

// Retry implements [inbox.Operator].
func (b *Box) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return b.move(ctx, inbox.ActionRetry, f, inbox.Pending)
}

// Rerun implements [inbox.Operator].
func (b *Box) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	return b.move(ctx, inbox.ActionRerun, f, inbox.Pending)
}

// Discard implements [inbox.Operator].
func (b *Box) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	return b.move(ctx, inbox.ActionDiscard, f, inbox.Done)
}

func (b *Box) move(ctx context.Context, a inbox.Action, f inbox.Filter, to inbox.State) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fields := f
	fields.State = ""
	if fields == (inbox.Filter{}) {
		return 0, inbox.ErrEmptyFilter
	}
	if f.State == "" {
		f.State = inbox.DeadLettered
	}
	n := 0
	for _, e := range b.entries {
		if f.Matches(e) {
			e.State = to
			n++
		}
	}
	if n == 0 && f.ID != "" {
		return 0, inbox.ErrNotFound
	}
	if n > 0 {
		b.record(ctx, inbox.Change{Action: a, Filter: f, Entries: n})
	}
	return n, nil
}

func (b *Box) record(ctx context.Context, c inbox.Change) {
	c.Actor, c.At = inbox.ActorFromContext(ctx), time.Now()
	b.audit = slices.Insert(b.audit, 0, c)
}

// Stats implements [inbox.Operator].
func (b *Box) Stats(context.Context) (inbox.Stats, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := inbox.Stats{Endpoints: make(map[string]inbox.Counts)}
	for _, e := range b.entries {
		s.Add(e.State, 1)
		name := e.Delivery.Vendor + "/" + e.Delivery.Endpoint
		counts := s.Endpoints[name]
		counts.Add(e.State, 1)
		s.Endpoints[name] = counts
	}
	return s, nil
}

// Pause implements [inbox.Operator].
func (b *Box) Pause(ctx context.Context, s inbox.Scope) error {
	if s == (inbox.Scope{}) {
		return inbox.ErrEmptyScope
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pauses = slices.DeleteFunc(b.pauses, func(p inbox.Pause) bool { return p.Scope == s })
	b.pauses = append(b.pauses, inbox.Pause{Scope: s, Actor: inbox.ActorFromContext(ctx), At: time.Now()})
	b.record(ctx, inbox.Change{Action: inbox.ActionPause, Filter: filterOf(s)})
	return nil
}

// Resume implements [inbox.Operator].
func (b *Box) Resume(ctx context.Context, s inbox.Scope) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.pauses, func(p inbox.Pause) bool { return p.Scope == s })
	if i < 0 {
		return inbox.ErrNotFound
	}
	b.pauses = slices.Delete(b.pauses, i, i+1)
	b.record(ctx, inbox.Change{Action: inbox.ActionResume, Filter: filterOf(s)})
	return nil
}

func filterOf(s inbox.Scope) inbox.Filter {
	return inbox.Filter{Vendor: s.Vendor, Endpoint: s.Endpoint, Type: s.Type}
}

// Pauses implements [inbox.Operator].
func (b *Box) Pauses(context.Context) ([]inbox.Pause, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.pauses), nil
}

// Audit implements [inbox.Operator].
func (b *Box) Audit(context.Context) ([]inbox.Change, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.audit), nil
}
