// Package live keeps the last deliveries that arrived, in memory, for the page: it is the [page.Source] of aihooks listen.
package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

// The defaults of Options.
const (
	DefaultKeep  = 1000
	DefaultBytes = 64 << 20
)

// Options are the options of [New]. The zero value of each field stands for its default.
type Options struct {
	// Title and Hint are those of the page's [page.Overview].
	Title, Hint string

	// Keep is how many deliveries are kept, and Bytes how large their bodies are together, at most; the oldest go first,
	// the last one stays. Default to [DefaultKeep] and [DefaultBytes].
	Keep, Bytes int

	// Replay, if set, sends a delivery again and returns a sentence that says how that was answered. It is the action
	// "replay" of each delivery that was added without actions, and any action of the others. Its ctx ends with the
	// request of the page.
	Replay func(ctx context.Context, d page.Detail) (string, error)
}

// A Ring keeps deliveries. All its methods may be called concurrently.
type Ring struct {
	o Options

	mu      sync.Mutex
	all     []*page.Detail // the oldest first
	bytes   int
	last    int // number given
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

// Add adds a delivery as the newest and tells all who watch. It returns the ID that the delivery was given: the one it has,
// or the next number if it has none. The ring keeps the body and the header; nobody may write to them any more.
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
		r.all[0] = nil // or it stays reachable until the slice grows
		r.all = r.all[1:]
	}
	r.tell()
	return d.ID
}

// Update changes a delivery that was added, by a function that is given it, and reports whether it was still there. For
// what is known only after the answer: a callback that ended late. The function must not call the ring, nor change the
// ID or the body.
func (r *Ring) Update(id string, change func(*page.Detail)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(id)
	if i < 0 {
		return false
	}
	change(r.all[i]) // whoever asked before has a copy
	r.tell()
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

// byUrgency puts first what somebody has to look at.
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
		end = max(r.find(q.Before), 0) // what came before one that is gone is gone too
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
		return "", fmt.Errorf("a delivery cannot be told to %q here", action)
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

// tell tells all who watch; the lock is held.
func (r *Ring) tell() {
	for changes := range r.watches {
		select {
		case changes <- struct{}{}:
		default: // one that has not been received yet says it as well
		}
	}
}

// find returns where a delivery is, or -1; the lock is held.
func (r *Ring) find(id string) int {
	return slices.IndexFunc(r.all, func(d *page.Detail) bool { return d.ID == id })
}
