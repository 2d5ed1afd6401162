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

// DefaultMemoryRetention is the default of [MemoryOptions.Retention].
const DefaultMemoryRetention = 25 * time.Hour

const defaultMemoryMaxKeys = 4_000_000

var errLeaseNotPositive = errors.New("idempotency: the lease must be longer than zero")

// MemoryOptions are the options of [NewMemory]. The zero value means the defaults.
type MemoryOptions struct {
	// Retention is how long a key is remembered. It counts from the completion of a completed key, from the release of a
	// released key, and otherwise from the end of the lease. The key is forgotten at most a quarter of Retention later.
	// It must not be negative.
	//
	// Defaults to 25 hours.
	Retention time.Duration

	// MaxKeys is the maximum number of remembered keys, in any state. A claim of a further key fails with [ErrFull]. A
	// completed key takes about 40 bytes. A key that is in flight or released takes about 100. It must not be negative.
	//
	// Defaults to 4,000,000.
	MaxKeys int

	// Logger gets one warning when the store is 80 % full. It gets the next only after the store was below 50 %.
	//
	// Defaults to [slog.Default].
	Logger *slog.Logger
}

// Memory is a [Store] in the memory of this process. It serves one process only, and a restart forgets every key. Use a
// durable store if the work must not be repeated, or if several processes share it.
//
// [MemoryOptions.MaxKeys] bounds Memory. It never forgets a key early to make space for another. It runs no goroutine and
// needs no closing: the next call of any method drops all expired keys. It uses the monotonic clock, so setting the
// machine's clock has no effect.
//
// Memory stores a hash of a key (94 bits), a hash of the token that completed it (24 bits), and the token's tag. Each
// store has its own hash seed.
type Memory struct {
	shards [memoryShards]shard

	keys   atomic.Int64 // in all shards, including claims that are about to add a key
	warned atomic.Bool
	due    atomic.Int64 // when the current generation ends, counted from start

	rotating sync.Mutex // held while the shards move to the next generation

	start     time.Time
	step      time.Duration // how long a generation lasts: a quarter of the retention, rounded up
	retention time.Duration
	maxKeys   int64
	logger    *slog.Logger
	keySeed   [16]byte
	tokenSeed maphash.Seed
}

// NewMemory returns an empty store. A nil o means the defaults. The error names the option that is invalid.
func NewMemory(o *MemoryOptions) (*Memory, error) {
	var opts MemoryOptions
	if o != nil {
		opts = *o
	}
	if opts.Retention < 0 {
		return nil, fmt.Errorf("idempotency: MemoryOptions.Retention (%v) must not be negative", opts.Retention)
	}
	if opts.MaxKeys < 0 {
		return nil, fmt.Errorf("idempotency: MemoryOptions.MaxKeys (%d) must not be negative", opts.MaxKeys)
	}
	if opts.Retention == 0 {
		opts.Retention = DefaultMemoryRetention
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

// Since returns when the store was created. It knows no key from before. A store that forgets its keys on a restart has this
// method, so that a handler can tell.
func (m *Memory) Since() time.Time { return m.start }

// Claim implements [Store]. It returns ctx's error if ctx has ended, [ErrFull] if the key is unknown and the store is full,
// and another error if lease is not longer than zero.
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
		e.attempt = 0 // the key has expired, and the next rotation would drop it
	}
	until := later(now, lease)
	e = entry{token: token, held: true, attempt: e.attempt + 1, until: until, expires: later(until, m.retention)}
	s.activate(d, e)
	s.mu.Unlock()

	if !known {
		m.warn(ctx) // without the lock, because a logger may be slow
	}
	return Claim{State: Acquired, Attempt: int(e.attempt)}, nil
}

// Complete implements [Store]. It returns ctx's error if ctx has ended, or [ErrLeaseLost].
func (m *Memory) Complete(ctx context.Context, key string, token Token) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, i := m.digest(key)
	s, now := m.lock(i)
	defer s.mu.Unlock()
	_, active, err := m.held(s, d, token, now)
	if active {
		s.complete(d, m.mark(token))
	}
	return err
}

// Renew implements [Renewer]. It returns ctx's error if ctx has ended, [ErrLeaseLost], or another error if lease is not
// longer than zero.
func (m *Memory) Renew(ctx context.Context, key string, token Token, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if lease <= 0 {
		return errLeaseNotPositive
	}
	d, i := m.digest(key)
	s, now := m.lock(i)
	defer s.mu.Unlock()
	e, active, err := m.held(s, d, token, now)
	if active {
		e.until = max(e.until, later(now, lease))
		e.expires = later(e.until, m.retention)
		s.active[d] = e
	}
	return err
}

// held returns the entry that token holds. It is not active if token has completed the key. The error is [ErrLeaseLost].
func (m *Memory) held(s *shard, d digest, token Token, now time.Duration) (e entry, active bool, err error) {
	e, active = s.active[d]
	if active && e.holds(token, now) {
		return e, true, nil
	}
	if by, done := s.completed(d); !done || by != m.mark(token) {
		return entry{}, false, ErrLeaseLost
	}
	return entry{}, false, nil
}

// Release implements [Store]. It returns an error only if ctx has ended.
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

// Len returns the number of remembered keys: in flight, released and completed.
func (m *Memory) Len() int {
	if now := m.now(); now >= time.Duration(m.due.Load()) {
		m.rotate(now)
	}
	return int(m.keys.Load())
}

// Ready returns [ErrFull] if the store has no capacity for a further key.
func (m *Memory) Ready(context.Context) error {
	if int64(m.Len()) >= m.maxKeys {
		return ErrFull
	}
	return nil
}

func (m *Memory) now() time.Duration { return time.Since(m.start) }

// lock locks shard i and then reads the clock, so that time never runs backwards within a shard. If the current generation
// has ended, lock first moves all shards to the next one, including shards without traffic.
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

// rotate moves all shards to the generation of the time now, and drops expired keys.
func (m *Memory) rotate(now time.Duration) {
	m.rotating.Lock()
	defer m.rotating.Unlock()
	due := time.Duration(m.due.Load())
	if now < due {
		return // another call has done it
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

// reserve counts one more key. It returns false if there are already MaxKeys.
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
	logged := make(chan struct{})
	go func() { // a logger that panics or ends its goroutine must not fail a claim that was made
		defer close(logged)
		defer func() { _ = recover() }()
		m.logger.LogAttrs(ctx, slog.LevelWarn, "idempotency: the memory store is 80 % full and will refuse new keys when full; raise MaxKeys or shorten Retention",
			slog.Int64("keys", n), slog.Int64("max_keys", m.maxKeys), slog.String("retention", m.retention.String()))
	}()
	<-logged
}

// digest hashes key and selects its shard. The seed is secret, so a sender cannot search for keys that collide.
func (m *Memory) digest(key string) (digest, uint8) {
	var buf [256]byte // longer keys need an allocation
	sum := sha256.Sum256(append(append(buf[:0], m.keySeed[:]...), key...))
	return digest(sum[:len(digest{})]), sum[len(digest{})] % memoryShards
}

// mark returns the part of a token that the store keeps when the token completes a key.
func (m *Memory) mark(t Token) mark {
	h := maphash.Bytes(m.tokenSeed, t[:])
	return mark{byte(h), byte(h >> 8), byte(h >> 16), t[len(t)-2], t[len(t)-1]}
}
