// Package lookup caches what a slow directory returns for a name. The names come from senders that are not authenticated
// yet.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	maxRunning = 64 // lookups at once: invented names must not become a load for the directory
	reserved   = 16 // of these, for names that were known: invented names must not keep their results from being renewed
)

const (
	defaultTimeout = 5 * time.Second // of a lookup for a context without a deadline
	minTimeout     = time.Second     // of a lookup for a context that ends sooner: other requests may wait for it too
)

// ErrBusy is returned when too many lookups run.
var ErrBusy = errors.New("lookup: too many lookups at once")

// A Cache caches the results of lookups. Requests for one name share one lookup.
type Cache[V any] struct {
	// Find returns the value of a name, or false if the directory does not have the name. It may panic.
	Find func(ctx context.Context, name string) (V, bool, error)

	TTL time.Duration // how long a result is used
	Max int           // known names; as many unknown names have room, so that invented names displace no known ones

	mu             sync.Mutex
	running        map[string]*call[V]
	known, unknown map[string]result[V]
}

type result[V any] struct {
	value V
	until time.Time
}

type call[V any] struct {
	done  chan struct{}
	value V
	known bool
	err   error
}

// Get returns the value of a name, and whether the directory has the name. It waits for a lookup until ctx ends. Errors are
// not cached.
func (c *Cache[V]) Get(ctx context.Context, name string) (value V, known bool, err error) {
	l, value, known, err := c.begin(ctx, name)
	if l == nil {
		return value, known, err
	}
	select {
	case <-l.done:
		return l.value, l.known && l.err == nil, l.err
	case <-ctx.Done():
		return value, false, fmt.Errorf("lookup: %w", ctx.Err())
	}
}

// begin returns a cached result, or the lookup to wait for.
func (c *Cache[V]) begin(ctx context.Context, name string) (l *call[V], value V, known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	before, wasKnown := c.known[name]
	if wasKnown && now.Before(before.until) {
		return nil, before.value, true, nil
	}
	if r, ok := c.unknown[name]; ok && now.Before(r.until) {
		return nil, value, false, nil
	}
	if l := c.running[name]; l != nil {
		return l, value, false, nil
	}
	limit := maxRunning
	if !wasKnown {
		limit -= reserved
	}
	if len(c.running) >= limit {
		return nil, value, false, ErrBusy
	}
	if c.running == nil {
		c.running = make(map[string]*call[V])
		c.known, c.unknown = make(map[string]result[V]), make(map[string]result[V])
	}
	l, name = &call[V]{done: make(chan struct{})}, strings.Clone(name) // the caller may use the memory again
	c.running[name] = l
	go c.find(ctx, name, l)
	return l, value, false, nil
}

// find looks up a name. It goes on if the request of ctx ends, because other requests wait for it too. It ends at the deadline
// of ctx, but not before minTimeout.
func (c *Cache[V]) find(ctx context.Context, name string, l *call[V]) {
	l.err = errors.New("lookup: it ended its goroutine")
	defer func() {
		if v := recover(); v != nil {
			l.err = fmt.Errorf("lookup: it panicked: %v", v)
		}
		c.end(name, l)
	}()
	timeout := defaultTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(end), minTimeout)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	l.value, l.known, l.err = c.Find(ctx, name)
}

func (c *Cache[V]) end(name string, l *call[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, name)
	if l.err == nil {
		delete(c.known, name)
		delete(c.unknown, name)
		cached := c.unknown
		if l.known {
			cached = c.known
		}
		if len(cached) >= c.Max {
			for displaced := range cached { // any one: an order would cost memory, and the directory has all
				delete(cached, displaced)
				break
			}
		}
		cached[name] = result[V]{l.value, time.Now().Add(c.TTL)}
	}
	close(l.done)
}
