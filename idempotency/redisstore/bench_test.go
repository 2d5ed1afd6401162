//go:build unix

package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

// A claimer claims the n-th of the keys that have not been claimed.
type claimer func(ctx context.Context, n int64) error

func claimerOf(s *redisstore.Store) claimer {
	return func(ctx context.Context, n int64) error {
		_, err := s.Claim(ctx, benchmarkKey(n), idempotency.NewToken(), time.Minute)
		return err
	}
}

func benchmarkKey(n int64) string { return fmt.Sprintf("workflux/default/content/%064x", n) }

// floor sends the same script without the store.
func floor(b *testing.B, client *redis.Client) claimer {
	sha, err := client.ScriptLoad(b.Context(), redisstore.ClaimSource).Result()
	require.NoError(b, err)
	return func(ctx context.Context, n int64) error {
		var token, call [16]byte
		_, _ = rand.Read(token[:])
		_, _ = rand.Read(call[:])
		return client.EvalSha(ctx, sha, []string{"floor:" + benchmarkKey(n)}, token[:], call[:], 60_001, 604_800_001).Err()
	}
}

// stretch is how long a benchmark runs one of two claimers. It is short, so that other load on the machine affects both.
const stretch = 50 * time.Millisecond

// pair runs both claimers in turns. It reports the median of the claims per second of each, and of the ratio.
func pair(b *testing.B, goroutines int, claimers [2]claimer, names [2]string) {
	var next atomic.Int64
	next.Store(1 << 40) // above the keys of earlier benchmarks
	run := func(claim claimer) float64 {
		var done atomic.Int64
		var wg sync.WaitGroup
		start := time.Now()
		for range goroutines {
			wg.Go(func() {
				for time.Since(start) < stretch {
					if err := claim(b.Context(), next.Add(1)); err != nil {
						b.Error(err)
						return
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		return float64(done.Load()) / time.Since(start).Seconds()
	}
	run(claimers[0])
	run(claimers[1])
	var rates [2][]float64
	var ratios []float64
	for b.Loop() {
		first := len(ratios) % 2
		var turn [2]float64
		turn[first] = run(claimers[first])
		turn[1-first] = run(claimers[1-first])
		rates[0], rates[1] = append(rates[0], turn[0]), append(rates[1], turn[1])
		ratios = append(ratios, turn[0]/turn[1])
	}
	b.ReportMetric(median(rates[0]), names[0]+"-claims/s")
	b.ReportMetric(median(rates[1]), names[1]+"-claims/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// The ratio must be at least 0.9.
func BenchmarkClaimBesideItsFloor(b *testing.B) {
	for _, fsync := range []string{"always", "everysec"} {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("appendfsync=%s/goroutines=%d", fsync, goroutines), func(b *testing.B) {
				server := redistest.New(b, "--appendfsync", fsync)
				client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, PoolSize: 64})
				defer client.Close()
				store := newStore(b, client, redisstore.Options{Namespace: "store"})
				pair(b, goroutines, [2]claimer{claimerOf(store), floor(b, client)}, [2]string{"store", "floor"})
			})
		}
	}
}

// fill stores n completed keys in the format of Complete.
const fill = `
for i = ARGV[1], ARGV[2] do
  local key = string.format('store:workflux/default/content/%064x', i)
  redis.call('HSET', key, 'state', 'done', 'token', string.format('%016d', i))
  redis.call('PEXPIRE', key, 604800000)
end
return 1`

// The ratio must be at least 0.77: with a million keys, a claim costs at most 1.3 times as much.
func BenchmarkClaimBesideAMillionKeys(b *testing.B) {
	server := redistest.New(b, "--auto-aof-rewrite-percentage", "0")
	var stores [2]claimer
	for db, n := range []int{1_000_000, 1_000} {
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: db, ContextTimeoutEnabled: true, PoolSize: 64, ReadTimeout: time.Minute})
		defer client.Close()
		var before, after float64
		before = memory(b, client)
		for i := 0; i < n; i += 1000 {
			require.NoError(b, client.Eval(b.Context(), fill, nil, i, i+999).Err())
		}
		after = memory(b, client)
		if n == 1_000_000 {
			b.Logf("%.0f bytes of Redis's memory a completed key of 89 characters", (after-before)/float64(n))
		}
		stores[db] = claimerOf(newStore(b, client, redisstore.Options{Namespace: "store"}))
	}
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			pair(b, goroutines, stores, [2]string{"million", "thousand"})
		})
	}
}

func memory(b *testing.B, client *redis.Client) float64 {
	b.Helper()
	info, err := client.InfoMap(b.Context(), "memory").Result()
	require.NoError(b, err)
	var bytes float64
	_, err = fmt.Sscan(info["Memory"]["used_memory"], &bytes)
	require.NoError(b, err)
	return bytes
}
