package engine

import (
	"maps"
	"sync"

	"github.com/aihooks/aihooks-go/inbox"
)

// A limiter counts the free slots: in total, by vendor, and by endpoint.
type limiter struct {
	mu     sync.Mutex
	total  int // free slots
	limits map[string]int
}

func newLimiter(p *inbox.Policy) *limiter {
	return &limiter{total: p.Concurrency, limits: maps.Clone(p.Limits)}
}

// reserve takes up to n slots and returns how many it took.
func (l *limiter) reserve(vendor, endpoint string, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, l.total)
	for _, name := range []string{vendor, nameOf(vendor, endpoint)} {
		if free, limited := l.limits[name]; limited {
			n = min(n, free)
		}
	}
	l.add(vendor, endpoint, -n)
	return n
}

func (l *limiter) free(vendor, endpoint string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(vendor, endpoint, n)
}

func (l *limiter) add(vendor, endpoint string, n int) {
	l.total += n
	for _, name := range []string{vendor, nameOf(vendor, endpoint)} {
		if _, limited := l.limits[name]; limited {
			l.limits[name] += n
		}
	}
}
