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

	// A generation lasts a quarter of the retention. A key that is completed at the end of the current generation must
	// be kept for four more.
	generations = 5

	// smallestRebuild is the number of entries below which rebuilding a map is not worth it.
	smallestRebuild = 128
)

type (
	digest [11]byte // of a key: with the 6 bits of its shard, 94 bits
	mark   [5]byte  // of a token: a hash of it, and its tag
)

func (m mark) tag() uint16 { return binary.BigEndian.Uint16(m[len(m)-2:]) }

// An entry is the state of a key that is in flight or released. Times count from the store's start.
type entry struct {
	token   Token
	until   time.Duration // when the lease ends
	expires time.Duration // when the key is forgotten
	attempt int32
	held    bool // false once released
}

func (e *entry) holds(t Token, now time.Duration) bool {
	return e.held && e.token == t && e.expires > now
}

// A shard holds a part of the keys. Nearly all keys are completed. A completed key takes 16 bytes in the map of the
// generation in which it was completed. It has no time: it is dropped together with its generation.
type shard struct {
	mu     sync.Mutex
	active map[digest]entry
	peak   int // the maximum length of active since it was made
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

// advance starts a new generation, passed times. It returns how many keys it dropped.
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

// shrink rebuilds the active map when it has lost three quarters of its entries, because a Go map never frees memory.
func (s *shard) shrink() {
	if s.peak < smallestRebuild || len(s.active) > s.peak/4 {
		return
	}
	rebuilt := make(map[digest]entry, len(s.active))
	maps.Copy(rebuilt, s.active)
	s.active, s.peak = rebuilt, len(rebuilt)
}

// later returns t+d, or the maximum duration on overflow.
func later(t, d time.Duration) time.Duration {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}
