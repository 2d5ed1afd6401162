// Package live implements the [page.Source] of `aihooks listen`. It keeps the last deliveries in memory.
package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aihooks/aihooks-go/internal/page"
)

// The defaults of Options.
const (
	DefaultKeep  = 1000
	DefaultBytes = 64 << 20
)

// Options are the options of [New]. The zero value of a field means its default.
type Options struct {
	// Title and Hint are the Title and Hint of the [page.Overview].
	Title, Hint string

	// Keep is the maximum number of deliveries. Bytes is the maximum total size of their bodies, in bytes. The oldest
	// deliveries are removed first, and the newest is always kept. The defaults are [DefaultKeep] and [DefaultBytes].
	Keep, Bytes int

	// Replay, if set, sends a delivery again and returns a sentence about the response. A delivery that was added without
	// actions gets the action "replay". All actions of all deliveries call Replay. ctx ends with the request of the page.
	Replay func(ctx context.Context, d page.Detail) (string, error)
}

// A Ring keeps deliveries. Its methods are safe for concurrent use.
type Ring struct {
	o Options

	mu      sync.Mutex
	all     []*page.Detail // the oldest first
	bytes   int
	last    int // last number that was used as an ID
	watches map[chan struct{}]bool
}

var _ page.Source = (*Ring)(nil)

// New returns an empty ring.
func New(o Options) *Ring {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	return &Ring{o: o, watches: make(map[chan struct{}]bool)}
}

// Add adds a delivery as the newest and notifies all watchers. It returns the ID of the delivery, which is the next number if d
// has none. The ring keeps the body and the header, so the caller must not modify them afterwards.
func (r *Ring) Add(d page.Detail) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	if d.ID == "" {
		d.ID = strconv.Itoa(r.last)
	}
	if r.o.Replay != nil && len(d.Actions) == 0 {
		d.Actions = []page.Action{{Name: "replay", Label: "Replay"}}
	}
	r.all = append(r.all, &d)
	r.bytes += len(d.Body)
	for len(r.all) > 1 && (len(r.all) > r.o.Keep || r.bytes > r.o.Bytes) {
		r.bytes -= len(r.all[0].Body)
		r.all[0] = nil // free its memory before the slice grows
		r.all = r.all[1:]
	}
	r.notify()
	return d.ID
}

// Update calls change with a delivery, and reports whether the delivery was found. Use it for results that are known only after
// the response, such as those of a late callback. The function must not call the ring, and must not change the ID or the body.
func (r *Ring) Update(id string, change func(*page.Detail)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(id)
	if i < 0 {
		return false
	}
	change(r.all[i]) // earlier callers of Detail have a copy
	r.notify()
	return true
}

// Overview implements [page.Source].
func (r *Ring) Overview(context.Context) (page.Overview, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := page.Overview{Title: r.o.Title, Hint: r.o.Hint}
	for _, d := range r.all {
		o.Verdicts = count(o.Verdicts, d.Verdict, d.Tone)
		o.Vendors = count(o.Vendors, d.Vendor, "")
	}
	slices.SortFunc(o.Verdicts, byUrgency)
	slices.SortFunc(o.Vendors, byUrgency)
	return o, nil
}

var urgency = []page.Tone{page.Bad, page.Warn, page.Good, page.Idle}

// byUrgency sorts counts by urgency, then by name.
func byUrgency(a, b page.Count) int {
	return cmp.Or(cmp.Compare(slices.Index(urgency, a.Tone), slices.Index(urgency, b.Tone)), strings.Compare(a.Name, b.Name))
}

func count(counts []page.Count, name string, tone page.Tone) []page.Count {
	if name == "" {
		return counts
	}
	for i := range counts {
		if counts[i].Name == name {
			counts[i].N++
			return counts
		}
	}
	return append(counts, page.Count{Name: name, Tone: tone, N: 1})
}

// List implements [page.Source].
func (r *Ring) List(_ context.Context, q page.Query) (page.List, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := len(r.all)
	if q.Before != "" {
		end = max(r.find(q.Before), 0) // the deliveries before a removed one are removed too
	}
	var list page.List
	for _, d := range slices.Backward(r.all[:end]) {
		if !q.Matches(&d.Item) {
			continue
		}
		if len(list.Items) == q.Limit {
			list.Next = list.Items[len(list.Items)-1].ID
			break
		}
		list.Items = append(list.Items, d.Item)
	}
	return list, nil
}

// Detail implements [page.Source].
func (r *Ring) Detail(_ context.Context, id string) (page.Detail, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(id)
	if i < 0 {
		return page.Detail{}, page.ErrNotFound
	}
	return *r.all[i], nil
}

// Act implements [page.Source].
func (r *Ring) Act(ctx context.Context, id, action string) (string, error) {
	d, err := r.Detail(ctx, id)
	if err != nil {
		return "", err
	}
	offered := slices.ContainsFunc(d.Actions, func(a page.Action) bool { return a.Name == action })
	if r.o.Replay == nil || !offered {
		return "", fmt.Errorf("the action %q is not available for this delivery", action)
	}
	return r.o.Replay(ctx, d)
}

// Watch implements [page.Source].
func (r *Ring) Watch(ctx context.Context) <-chan struct{} {
	changes := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches[changes] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watches, changes)
		close(changes)
	})
	return changes
}

// notify notifies all watchers. The caller must hold the lock.
func (r *Ring) notify() {
	for changes := range r.watches {
		select {
		case changes <- struct{}{}:
		default: // a change is already pending
		}
	}
}

// find returns the index of a delivery, or -1. The caller must hold the lock.
func (r *Ring) find(id string) int {
	return slices.IndexFunc(r.all, func(d *page.Detail) bool { return d.ID == id })
}
