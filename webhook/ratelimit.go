package webhook

import (
	"hash/maphash"
	"sync"

	"golang.org/x/time/rate"
)

// A rateLimiter limits how many deliveries are let through. One that comes again counts against a limit of its own, of the
// same size: anybody who has captured one can send it again, and must not use up the limit of the others.
type rateLimiter struct {
	limit rate.Limit
	burst int
	seed  maphash.Seed

	mu        sync.Mutex
	first     *rate.Limiter            // of all deliveries that come for the first time
	let, past map[uint64]*rate.Limiter // of each delivery that was let through
}

// maxLet is how many deliveries are in one of the two maps. Those that come again stay.
const maxLet = 4096

func newRateLimiter(limit rate.Limit, burst int) *rateLimiter {
	return &rateLimiter{
		limit: limit, burst: burst, seed: maphash.MakeSeed(),
		first: rate.NewLimiter(limit, burst), let: make(map[uint64]*rate.Limiter),
	}
}

// allow reports whether the delivery of that key is let through.
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
