package webhook

import (
	"hash/maphash"
	"sync"

	"golang.org/x/time/rate"
)

// A rateLimiter limits deliveries a second. A delivery that comes again has a separate limit of the same size. Otherwise
// anyone who has captured one could send it repeatedly and use up the limit of new deliveries.
type rateLimiter struct {
	limit rate.Limit
	burst int
	seed  maphash.Seed

	mu        sync.Mutex
	first     *rate.Limiter            // for deliveries that come for the first time
	let, past map[uint64]*rate.Limiter // for each delivery that was let through; past holds the older ones
}

// maxLet is the maximum number of deliveries in each map. A delivery that comes again moves to the newer map.
const maxLet = 4096

func newRateLimiter(limit rate.Limit, burst int) *rateLimiter {
	return &rateLimiter{
		limit: limit, burst: burst, seed: maphash.MakeSeed(),
		first: rate.NewLimiter(limit, burst), let: make(map[uint64]*rate.Limiter),
	}
}

// allow reports whether the delivery of that key is within its limit.
func (l *rateLimiter) allow(key string) bool {
	hash := maphash.String(l.seed, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.let[hash]
	if own == nil {
		own = l.past[hash]
	}
	if own == nil {
		if !l.first.Allow() {
			return false
		}
		own = rate.NewLimiter(l.limit, l.burst)
	}
	if len(l.let) >= maxLet && l.let[hash] == nil {
		l.past, l.let = l.let, make(map[uint64]*rate.Limiter)
	}
	l.let[hash] = own
	return own.Allow()
}
