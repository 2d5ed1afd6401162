package idempotency

import (
	"encoding/binary"
	"maps"
	"math"
	"sync"
	"time"
)

const (
	memoryShards = 64

	// Five generations, each a quarter of the retention long: the current one, and four that together cover the
	// retention of a key that was completed at the very end of the one before them.
	generations = 5

	// Below this many entries a map is too small to be worth rebuilding.
	smallestRebuild = 128
)

type (
	digest [11]byte // of a key; with the 6 bits that pick the shard, 94 bits
	mark   [5]byte  // of a token: a hash of it, and its tag
)

func (m mark) tag() uint16 { return binary.BigEndian.Uint16(m[len(m)-2:]) }

// An entry is a key that is in flight or released. Times are counted from the store's start.
type entry struct {
	token   Token
	until   time.Duration // the lease's end
	expires time.Duration // when the key is forgotten
	attempt int32
	held    bool // false once released
}

func (e *entry) holds(t Token, now time.Duration) bool {
	return e.held && e.token == t && e.expires > now
}

// A shard holds a part of the keys. Completed keys, nearly all of them, take 16 bytes each in the map of the
// generation they were completed in, and go when it goes: no time is kept for any of them.
type shard struct {
	mu     sync.Mutex
	active map[digest]entry
	peak   int // the most entries active has had since it was made
	done   [generations]map[digest]mark
}

func (s *shard) completed(d digest) (mark, bool) {
	for _, g := range s.done {
		if m, ok := g[d]; ok {
			return m, true
		}
	}
	return mark{}, false
}

func (s *shard) activate(d digest, e entry) {
	if s.active == nil {
		s.active = make(map[digest]entry)
	}
	s.active[d] = e
	s.peak = max(s.peak, len(s.active))
}

func (s *shard) complete(d digest, m mark) {
	delete(s.active, d)
	s.shrink()
	if s.done[0] == nil {
		s.done[0] = make(map[digest]mark)
	}
	s.done[0][d] = m
}

// advance starts a new generation, as often as passed says, and returns how many keys it dropped.
func (s *shard) advance(passed, now time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped := 0
	for range min(passed, generations) {
		dropped += len(s.done[generations-1])
		copy(s.done[1:], s.done[:])
		s.done[0] = nil
	}
	for d, e := range s.active {
		if e.expires <= now {
			delete(s.active, d)
			dropped++
		}
	}
	s.shrink()
	return dropped
}

// shrink rebuilds the active map once three quarters of it are gone: a Go map never gives memory back.
func (s *shard) shrink() {
	if s.peak < smallestRebuild || len(s.active) > s.peak/4 {
		return
	}
	rebuilt := make(map[digest]entry, len(s.active))
	maps.Copy(rebuilt, s.active)
	s.active, s.peak = rebuilt, len(rebuilt)
}

// later is t+d, or the end of time.
func later(t, d time.Duration) time.Duration {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}
