package idempotency_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// benchmarkKey returns the n-th key. Keys look like a handler's: a name and a hash in hex.
func benchmarkKey(n uint64) string {
	var hash [32]byte
	for i := range 4 { // splitmix64, which costs little compared to a claim
		n += 0x9e3779b97f4a7c15
		z := (n ^ n>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(hash[8*i:], z^z>>31)
	}
	return "workflux/default/content/" + hex.EncodeToString(hash[:])
}

// benchmarkKeys makes keys before the measurement. They share one string, to reduce garbage collection.
func benchmarkKeys(from uint64, n int) []string {
	var all strings.Builder
	for i := range n {
		all.WriteString(benchmarkKey(from + uint64(i)))
	}
	keys, size := make([]string, n), all.Len()/n
	for i := range keys {
		keys[i] = all.String()[i*size : (i+1)*size]
	}
	return keys
}

// A plain store is the simplest implementation: maps of entries under locks, without expiry or a limit. The benchmarks
// compare Memory with it.
type plain [64]struct {
	mu   sync.Mutex
	keys map[string]plainEntry
}

type plainEntry struct {
	token idempotency.Token
	until time.Time
	done  bool
}

func newPlain() *plain {
	p := new(plain)
	for i := range p {
		p[i].keys = make(map[string]plainEntry)
	}
	return p
}

func (p *plain) claimAndComplete(key string, token idempotency.Token) {
	s := &p[(key[len(key)-1]^key[len(key)-2]<<3)%64]
	s.mu.Lock()
	if _, known := s.keys[key]; !known {
		s.keys[key] = plainEntry{token: token, until: time.Now().Add(time.Minute)}
	}
	s.mu.Unlock()
	s.mu.Lock()
	if e := s.keys[key]; e.token == token {
		s.keys[key] = plainEntry{token: token, until: time.Now().Add(time.Hour), done: true}
	}
	s.mu.Unlock()
}

func claimAndCompleteIn(b *testing.B, m *idempotency.Memory) func(string, idempotency.Token) {
	ctx := b.Context()
	return func(key string, token idempotency.Token) {
		if _, err := m.Claim(ctx, key, token, time.Minute); err != nil {
			b.Error(err)
		}
		if err := m.Complete(ctx, key, token); err != nil {
			b.Error(err)
		}
	}
}

func BenchmarkMemoryClaimComplete(b *testing.B) {
	run := func(b *testing.B, claimAndComplete func(string, idempotency.Token)) {
		const stretch = 1000
		keys := benchmarkKeys(0, b.N+stretch*(runtime.GOMAXPROCS(0)+1))
		var next atomic.Int64
		runtime.GC()
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			token := idempotency.NewToken()
			var mine []string // a stretch at a time, so that the keys are in the cache as they are in a handler
			for pb.Next() {
				if len(mine) == 0 {
					to := int(next.Add(stretch))
					mine = keys[to-stretch : to]
				}
				claimAndComplete(mine[0], token)
				mine = mine[1:]
			}
		})
	}
	b.Run("memory", func(b *testing.B) {
		m, _ := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1 << 30})
		run(b, claimAndCompleteIn(b, m))
	})
	// A million keys, spread over all five generations: a new key is looked up in each of them.
	b.Run("five generations", func(b *testing.B) {
		m, _ := idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: 1 << 30})
		claimAndComplete := claimAndCompleteIn(b, m)
		for g := range 5 {
			if g > 0 {
				m.PassGeneration()
			}
			for _, key := range benchmarkKeys(uint64(g+1)<<40, 200_000) {
				claimAndComplete(key, idempotency.Token{})
			}
		}
		if m.Len() != 1_000_000 {
			b.Fatal("keys are missing")
		}
		run(b, claimAndComplete)
	})
	b.Run("floor plain map", func(b *testing.B) { run(b, newPlain().claimAndComplete) })
}

// The keys themselves are not counted. A store that keeps them would add 89 bytes each, as the plain map does for keys that
// are not shared.
func BenchmarkMemoryBytesPerKey(b *testing.B) {
	const n = 1_000_000
	run := func(b *testing.B, store any, claimAndComplete func(string, idempotency.Token)) {
		keys := benchmarkKeys(0, n)
		before := heap()
		for _, key := range keys {
			claimAndComplete(key, idempotency.NewToken())
		}
		bytes := heap() - before
		clear(keys)
		runtime.GC()
		b.ResetTimer()
		for b.Loop() {
			runtime.GC()
		}
		b.ReportMetric(float64(bytes)/n, "bytes/key")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/full-GC")
		runtime.KeepAlive(store)
	}
	b.Run("memory", func(b *testing.B) {
		m, _ := idempotency.NewMemory(nil)
		run(b, m, claimAndCompleteIn(b, m))
	})
	b.Run("floor plain map", func(b *testing.B) {
		p := newPlain()
		run(b, p, p.claimAndComplete)
	})
	b.Run("floor nothing", func(b *testing.B) { run(b, nil, func(string, idempotency.Token) {}) })
}

// BenchmarkMemoryClaimWhileKeysExpire compares a claim while 200,000 completed keys expire with a claim while no key
// expires. Keys expire in whole generations, so the claim must not have a cost for each of them.
func BenchmarkMemoryClaimWhileKeysExpire(b *testing.B) {
	const keys = 200_000
	ctx, names := b.Context(), benchmarkKeys(0, keys)
	claim := func(m *idempotency.Memory, key string) time.Duration {
		began := time.Now()
		if _, err := m.Claim(ctx, key, idempotency.NewToken(), time.Minute); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var usual, expiring []time.Duration
	for b.Loop() {
		m, err := idempotency.NewMemory(nil)
		if err != nil {
			b.Fatal(err)
		}
		claimAndComplete := claimAndCompleteIn(b, m)
		for _, key := range names {
			claimAndComplete(key, idempotency.Token{})
		}
		for i := range 101 {
			usual = append(usual, claim(m, fmt.Sprint("usual ", i)))
		}
		var longest time.Duration // the keys expire in one of the five generations
		for i := range 5 {
			m.PassGeneration()
			longest = max(longest, claim(m, fmt.Sprint("expiring ", i)))
		}
		expiring = append(expiring, longest)
		if m.Len() >= keys {
			b.Fatal("nothing has expired")
		}
	}
	slices.Sort(usual)
	slices.Sort(expiring)
	ratio := float64(expiring[len(expiring)/2]) / float64(usual[len(usual)/2])
	b.ReportMetric(ratio, "claims")
	if ratio > keys/100 {
		b.Fatalf("a claim while keys expire takes as long as %.0f other claims", ratio)
	}
}
