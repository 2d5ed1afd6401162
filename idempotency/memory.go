package idempotency

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMemoryRetention = 25 * time.Hour
	defaultMemoryMaxKeys   = 4_000_000
)

var errLeaseNotPositive = errors.New("idempotency: the lease of a claim must be longer than zero")

// MemoryOptions are the options of [NewMemory]. The zero value means the defaults.
type MemoryOptions struct {
	// Retention is for how long a key is remembered: a completed one from its completion, a released one from its
	// release, one that was never given back from the end of its lease. It is forgotten at most a quarter of
	// Retention later. Must not be negative.
	//
	// Defaults to 25 hours.
	Retention time.Duration

	// MaxKeys is how many keys are remembered at once, in whatever state. A claim of one more fails with [ErrFull].
	// A completed key takes about 40 bytes, one that is in flight or released about 100. Must not be negative.
	//
	// Defaults to 4,000,000.
	MaxKeys int

	// Logger gets one warning when the store is 80 % full, and another only after it was below 50 % since.
	//
	// Defaults to [slog.Default].
	Logger *slog.Logger
}

// Memory is a [Store] in the memory of this process. It serves one process only, and a restart forgets every key: use
// a durable store where the work is not harmless to repeat, or where several processes share it.
//
// Memory is bounded by [MemoryOptions.MaxKeys] and never makes room by forgetting a key early. It runs no goroutine and
// needs no closing: keys whose time is over are dropped, all at once, by the next call of any method. Time is
// measured on the monotonic clock; setting the machine's clock changes nothing.
//
// Of a key and of the token that completed it, it keeps only hashes, 94 and 24 bits long, seeded afresh for each store,
// and the token's tag.
type Memory struct {
	shards [memoryShards]shard

	keys   atomic.Int64 // in all shards, and claims that are about to add theirs
	warned atomic.Bool
	due    atomic.Int64 // when the current generation ends, as a time since start

	rotating sync.Mutex // held while the shards move on to the next generation

	start     time.Time
	step      time.Duration // what one generation covers: a quarter of the retention, rounded up
	retention time.Duration
	maxKeys   int64
	logger    *slog.Logger
	keySeed   [16]byte
	tokenSeed maphash.Seed
}

// NewMemory returns an empty store. A nil o means the defaults. The error names the option that is out of range.
func NewMemory(o *MemoryOptions) (*Memory, error) {
	var opts MemoryOptions
	if o != nil {
		opts = *o
	}
	if opts.Retention < 0 {
		return nil, fmt.Errorf("idempotency: MemoryOptions.Retention must not be negative, and is %v", opts.Retention)
	}
	if opts.MaxKeys < 0 {
		return nil, fmt.Errorf("idempotency: MemoryOptions.MaxKeys must not be negative, and is %d", opts.MaxKeys)
	}
	if opts.Retention == 0 {
		opts.Retention = defaultMemoryRetention
	}
	if opts.MaxKeys == 0 {
		opts.MaxKeys = defaultMemoryMaxKeys
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}

	m := &Memory{
		start:     time.Now(),
		step:      (opts.Retention-1)/(generations-1) + 1,
		retention: opts.Retention,
		maxKeys:   int64(opts.MaxKeys),
		logger:    opts.Logger,
		tokenSeed: maphash.MakeSeed(),
	}
	_, _ = rand.Read(m.keySeed[:]) // never fails, see crypto/rand
	m.due.Store(int64(m.step))
	return m, nil
}

// Claim implements [Store]. The error is ctx's own if ctx has ended, [ErrFull] if the key is not known and MaxKeys are,
// and another one if lease is not longer than zero.
func (m *Memory) Claim(ctx context.Context, key string, token Token, lease time.Duration) (Claim, error) {
	if err := ctx.Err(); err != nil {
		return Claim{}, err
	}
	if lease <= 0 {
		return Claim{}, errLeaseNotPositive
	}
	d, i := m.digest(key)
	s, now := m.lock(i)
	e, known := s.active[d]
	if known && e.held && e.until > now {
		s.mu.Unlock()
		return Claim{State: InFlight, Remaining: e.until - now}, nil
	}
	if !known {
		if by, done := s.completed(d); done {
			s.mu.Unlock()
			return Claim{State: Completed, OtherTag: by.tag() != token.Tag()}, nil
		}
		if !m.reserve() {
			s.mu.Unlock()
			return Claim{}, ErrFull
		}
	}
	if e.expires <= now {
		e.attempt = 0 // its time is over, and the next rotation would have dropped it
	}
	until := later(now, lease)
	e = entry{token: token, held: true, attempt: e.attempt + 1, until: until, expires: later(until, m.retention)}
	s.activate(d, e)
	s.mu.Unlock()

	if !known {
		m.warn(ctx) // not under the lock: a logger may be slow
	}
	return Claim{State: Acquired, Attempt: int(e.attempt)}, nil
}

// Complete implements [Store]. The error is ctx's own if ctx has ended, or [ErrLeaseLost].
func (m *Memory) Complete(ctx context.Context, key string, token Token) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, i := m.digest(key)
	s, now := m.lock(i)
	defer s.mu.Unlock()
	if e, known := s.active[d]; known {
		if !e.holds(token, now) {
			return ErrLeaseLost
		}
		s.complete(d, m.mark(token))
		return nil
	}
	if by, done := s.completed(d); !done || by != m.mark(token) {
		return ErrLeaseLost
	}
	return nil
}

// Release implements [Store]. The only error is ctx's own, if ctx has ended.
func (m *Memory) Release(ctx context.Context, key string, token Token) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, i := m.digest(key)
	s, now := m.lock(i)
	defer s.mu.Unlock()
	if e := s.active[d]; e.holds(token, now) {
		s.active[d] = entry{attempt: e.attempt, expires: later(now, m.retention)}
	}
	return nil
}

// Retention implements [Store].
func (m *Memory) Retention() time.Duration { return m.retention }

// Len returns how many keys are remembered now: in flight, released and completed ones.
func (m *Memory) Len() int {
	if now := m.now(); now >= time.Duration(m.due.Load()) {
		m.rotate(now)
	}
	return int(m.keys.Load())
}

func (m *Memory) now() time.Duration { return time.Since(m.start) }

// lock locks shard i and only then looks at the clock, so that time never runs backwards within a shard. If the
// current generation has ended by then, all shards move on first, also those that get no traffic of their own.
func (m *Memory) lock(i uint8) (*shard, time.Duration) {
	s := &m.shards[i]
	for {
		s.mu.Lock()
		now := m.now()
		if now < time.Duration(m.due.Load()) {
			return s, now
		}
		s.mu.Unlock()
		m.rotate(now)
	}
}

// rotate moves all shards on to the generation that now falls into, and drops what has expired.
func (m *Memory) rotate(now time.Duration) {
	m.rotating.Lock()
	defer m.rotating.Unlock()
	due := time.Duration(m.due.Load())
	if now < due {
		return // somebody else has done it
	}
	passed := (now-due)/m.step + 1
	for i := range m.shards {
		m.keys.Add(-int64(m.shards[i].advance(passed, now)))
	}
	if m.keys.Load() < m.maxKeys-m.maxKeys/2 {
		m.warned.Store(false)
	}
	m.due.Store(int64(later(due, passed*m.step)))
}

// reserve counts one more key, unless there are MaxKeys already.
func (m *Memory) reserve() bool {
	for {
		n := m.keys.Load()
		if n >= m.maxKeys {
			return false
		}
		if m.keys.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (m *Memory) warn(ctx context.Context) {
	n := m.keys.Load()
	if n < m.maxKeys-m.maxKeys/5 || !m.warned.CompareAndSwap(false, true) {
		return
	}
	defer func() { _ = recover() }() // a logger that panics must not take a claim down that has been made
	m.logger.LogAttrs(ctx, slog.LevelWarn, "idempotency: the memory store is 80 % full; it refuses new keys once it is full",
		slog.Int64("keys", n), slog.Int64("max_keys", m.maxKeys), slog.String("retention", m.retention.String()))
}

// digest hashes key and picks its shard. The seed is secret, so nobody can look for keys that collide.
func (m *Memory) digest(key string) (digest, uint8) {
	var buf [256]byte // longer keys cost an allocation
	sum := sha256.Sum256(append(append(buf[:0], m.keySeed[:]...), key...))
	return digest(sum[:len(digest{})]), sum[len(digest{})] % memoryShards
}

// mark is what is kept of the token that completed a key.
func (m *Memory) mark(t Token) mark {
	h := maphash.Bytes(m.tokenSeed, t[:])
	return mark{byte(h), byte(h >> 8), byte(h >> 16), t[len(t)-2], t[len(t)-1]}
}
