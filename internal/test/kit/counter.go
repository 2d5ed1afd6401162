package kit

import (
	"maps"
	"sync"
)

// A Counter counts by name. The zero value is ready to use.
type Counter struct {
	mu sync.Mutex
	n  map[string]int
}

// Add counts one more, and returns the number of that name.
func (c *Counter) Add(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	c.n[name]++
	return c.n[name]
}

// Of returns the number of a name.
func (c *Counter) Of(name string) int { return c.All()[name] }

// All returns the number of each name.
func (c *Counter) All() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

// Total returns the number of all names.
func (c *Counter) Total() (n int) {
	for _, times := range c.All() {
		n += times
	}
	return n
}
