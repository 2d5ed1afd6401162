package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
)

func newMemory(t testing.TB, o *idempotency.MemoryOptions) *idempotency.Memory {
	t.Helper()
	m, err := idempotency.NewMemory(o)
	require.NoError(t, err)
	return m
}

// claim claims key, which must be in the given state, and returns the token of the claim.
func claim(t testing.TB, m *idempotency.Memory, key string, want idempotency.State) idempotency.Token {
	t.Helper()
	token := idempotency.NewToken()
	got, err := m.Claim(t.Context(), key, token, time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, got.State)
	return token
}

func claimAndComplete(t testing.TB, m *idempotency.Memory, key string) {
	t.Helper()
	require.NoError(t, m.Complete(t.Context(), key, claim(t, m, key, idempotency.Acquired)))
}

func TestConformance_KeepsStoreRules(t *testing.T) {
	for _, retention := range []time.Duration{25 * time.Hour, 10*time.Second + 1} {
		t.Run(retention.String(), func(t *testing.T) {
			idempotencytest.Run(t, idempotencytest.Options{
				New: func(t testing.TB, retention time.Duration) idempotency.Store {
					return newMemory(t, &idempotency.MemoryOptions{Retention: retention})
				},
				Retention: retention,
				Slack:     time.Nanosecond,
				Around:    synctest.Test,
			})
		})
	}
}

func TestNewMemory_NamesOptionOutOfRange(t *testing.T) {
	_, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: -1})
	require.EqualError(t, err, "idempotency: MemoryOptions.Retention (-1ns) must not be negative")
	_, err = idempotency.NewMemory(&idempotency.MemoryOptions{MaxKeys: -1})
	require.EqualError(t, err, "idempotency: MemoryOptions.MaxKeys (-1) must not be negative")
	require.Equal(t, 25*time.Hour, newMemory(t, nil).Retention())
	require.Equal(t, time.Hour, newMemory(t, &idempotency.MemoryOptions{Retention: time.Hour}).Retention())
}

func TestMemory_RefusesNonPositiveLease(t *testing.T) {
	m := newMemory(t, nil)
	for _, lease := range []time.Duration{0, -1} {
		_, err := m.Claim(t.Context(), "key", idempotency.NewToken(), lease)
		require.ErrorContains(t, err, "must be longer than zero")
	}
	require.Zero(t, m.Len())
}

func TestMemory_AcceptsEndlessTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, &idempotency.MemoryOptions{Retention: math.MaxInt64})
		time.Sleep(time.Hour)
		_, err := m.Claim(t.Context(), "held", idempotency.NewToken(), math.MaxInt64)
		require.NoError(t, err)
		require.NoError(t, m.Release(t.Context(), "released", claim(t, m, "released", idempotency.Acquired)))
		claimAndComplete(t, m, "completed")
		time.Sleep(100 * 365 * 24 * time.Hour)
		claim(t, m, "held", idempotency.InFlight)
		claim(t, m, "completed", idempotency.Completed)
		require.Equal(t, 3, m.Len())
	})
}

func TestMemory_RefusesOnlyUnknownKeysWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 4, Retention: time.Hour, Logger: slog.New(slog.DiscardHandler)})
		ended := claim(t, m, "ended", idempotency.Acquired)
		time.Sleep(time.Minute)
		claim(t, m, "held", idempotency.Acquired)
		claimAndComplete(t, m, "completed")
		require.NoError(t, m.Release(t.Context(), "released", claim(t, m, "released", idempotency.Acquired)))

		_, err := m.Claim(t.Context(), "unknown", idempotency.NewToken(), time.Minute)
		require.ErrorIs(t, err, idempotency.ErrFull)
		require.ErrorIs(t, m.Complete(t.Context(), "unknown", idempotency.NewToken()), idempotency.ErrLeaseLost)
		claim(t, m, "held", idempotency.InFlight)
		claim(t, m, "completed", idempotency.Completed)
		require.NoError(t, m.Complete(t.Context(), "ended", ended))
		claimAndComplete(t, m, "released")
		require.Equal(t, 4, m.Len())

		time.Sleep(time.Hour + time.Hour/4)
		claim(t, m, "unknown", idempotency.Acquired)
	})
}

func TestMemory_KeepsUncompletedKeysForRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, &idempotency.MemoryOptions{Retention: time.Hour})
		time.Sleep(7 * time.Minute) // not at the end of a generation
		require.NoError(t, m.Release(t.Context(), "released", claim(t, m, "released", idempotency.Acquired)))
		claim(t, m, "abandoned", idempotency.Acquired)
		late := claim(t, m, "late", idempotency.Acquired)
		next := func(key string) int {
			got, err := m.Claim(t.Context(), key, idempotency.NewToken(), time.Nanosecond)
			require.NoError(t, err)
			require.Equal(t, idempotency.Acquired, got.State)
			return got.Attempt
		}
		time.Sleep(time.Hour - 1)
		require.Equal(t, 2, next("released"))
		time.Sleep(time.Minute)
		require.Equal(t, 2, next("abandoned"))
		time.Sleep(1)
		require.ErrorIs(t, m.Complete(t.Context(), "late", late), idempotency.ErrLeaseLost, "it has expired")
		require.Equal(t, 1, next("late"))

		time.Sleep(time.Hour + 1)
		require.Equal(t, 1, next("released"))
		require.Equal(t, 1, next("abandoned"))
		time.Sleep(time.Hour + time.Hour/4)
		require.Zero(t, m.Len())
	})
}

func TestMemory_NeverExceedsMaxKeys(t *testing.T) {
	const workers, each, maxKeys = 8, 5000, 30_000
	m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: maxKeys, Logger: slog.New(slog.DiscardHandler)})
	keys := benchmarkKeys(0, workers*each)
	var acquired, full atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			token := idempotency.NewToken()
			for _, key := range keys[w*each : (w+1)*each] {
				switch got, err := m.Claim(t.Context(), key, token, time.Minute); {
				case errors.Is(err, idempotency.ErrFull):
					full.Add(1)
				case err == nil && got.State == idempotency.Acquired:
					acquired.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, maxKeys, acquired.Load())
	require.EqualValues(t, workers*each-maxKeys, full.Load())
	require.Equal(t, maxKeys, m.Len())
}

// After the burst, the only traffic is one claim each 15 minutes, on one shard.
func TestMemory_FreesExpiredKeysWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, &idempotency.MemoryOptions{Retention: time.Hour})
		empty := heap()
		const keys = 50_000
		tokens := make([]idempotency.Token, keys)
		for i := range tokens {
			tokens[i] = claim(t, m, fmt.Sprint(i), idempotency.Acquired)
		}
		inFlight := heap() - empty
		for i := range tokens {
			if i%2 == 0 {
				require.NoError(t, m.Complete(t.Context(), fmt.Sprint(i), tokens[i]))
			}
		}
		require.Equal(t, keys, m.Len())
		for range 6 {
			time.Sleep(time.Hour / 4)
			claim(t, m, "the only shard with traffic", idempotency.Acquired)
		}
		left := heap() - empty
		t.Logf("%d bytes for %d keys in flight, %d left", inFlight, keys, left)
		require.Greater(t, inFlight, int64(keys*50))
		require.Less(t, left, inFlight/20+int64(keys*16), "including the tokens of this test")
		require.Equal(t, 1, m.Len())
		runtime.KeepAlive(tokens)
	})
}

func TestMemory_ShrinksMapAfterCompletions(t *testing.T) {
	m := newMemory(t, nil)
	const keys = 50_000
	tokens := make([]idempotency.Token, keys)
	for i := range tokens {
		tokens[i] = claim(t, m, fmt.Sprint(i), idempotency.Acquired)
	}
	before := heap()
	for i := range tokens {
		if i%10 > 0 {
			require.NoError(t, m.Complete(t.Context(), fmt.Sprint(i), tokens[i]))
		}
	}
	saved := before - heap()
	t.Logf("completing nine tenths of %d keys gave back %d bytes", keys, saved)
	require.Greater(t, saved, int64(keys*30))
	require.Equal(t, keys, m.Len())
	runtime.KeepAlive(tokens)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// A counter is a slog.Handler that counts warnings.
type counter struct {
	slog.Handler
	warnings atomic.Int64
	last     atomic.Value
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }

func (c *counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		c.warnings.Add(1)
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	c.last.Store(text)
	return nil
}

func TestMemory_WarnsOnceAtEightyPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &counter{}
		m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 10, Retention: time.Hour, Logger: slog.New(log)})
		for i := range 7 {
			claimAndComplete(t, m, fmt.Sprint("a", i))
		}
		require.Zero(t, log.warnings.Load())
		claim(t, m, "the eighth of ten", idempotency.Acquired)
		require.EqualValues(t, 1, log.warnings.Load())
		require.Equal(t, "idempotency: the memory store is 80 % full and will refuse new keys when full; raise MaxKeys or shorten Retention keys=8 max_keys=10 retention=1h0m0s", log.last.Load())
		claim(t, m, "the ninth", idempotency.Acquired)
		claim(t, m, "the tenth", idempotency.Acquired)
		require.EqualValues(t, 1, log.warnings.Load())

		time.Sleep(time.Hour + time.Hour/4 + time.Minute)
		require.Zero(t, m.Len())
		for i := range 8 {
			claimAndComplete(t, m, fmt.Sprint("b", i))
		}
		require.EqualValues(t, 2, log.warnings.Load(), "it was empty since")
	})
}

func TestMemory_WarnsOnceDespiteSmallDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &counter{}
		m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 10, Retention: time.Hour, Logger: slog.New(log)})
		for i := range 3 {
			claimAndComplete(t, m, fmt.Sprint("early", i))
		}
		time.Sleep(30 * time.Minute)
		for i := range 5 {
			claimAndComplete(t, m, fmt.Sprint("late", i))
		}
		require.EqualValues(t, 1, log.warnings.Load())
		time.Sleep(50 * time.Minute)
		require.Equal(t, 5, m.Len(), "the early ones are gone")
		for i := range 3 {
			claimAndComplete(t, m, fmt.Sprint("latest", i))
		}
		require.EqualValues(t, 1, log.warnings.Load())
	})
}

func TestMemory_DoesNotAllocate(t *testing.T) {
	m := newMemory(t, nil)
	ctx := t.Context()
	keys := make([]string, 10_001)
	for i := range keys {
		keys[i] = benchmarkKey(uint64(i))
	}
	token, next := idempotency.NewToken(), 0
	require.LessOrEqual(t, testing.AllocsPerRun(len(keys)-1, func() {
		_, _ = m.Claim(ctx, keys[next], token, time.Minute)
		_ = m.Complete(ctx, keys[next], token)
		next++
	}), 0.0, "growing maps are rare enough not to count")
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = m.Claim(ctx, keys[0], token, time.Minute) }), "completed")
	_, _ = m.Claim(ctx, "in flight", token, time.Minute)
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = m.Claim(ctx, "in flight", token, time.Minute) }), "in flight")
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = m.Complete(ctx, keys[0], idempotency.Token{1}) }), "lease lost")
}

// Many generations pass while the workers run, and the leases are longer. Each key must have only one holder.
func TestMemory_KeepsLeasesExclusiveAcrossGenerations(t *testing.T) {
	m := newMemory(t, &idempotency.MemoryOptions{Retention: 4 * time.Millisecond})
	var holders [32]atomic.Int64
	var acquired, completed atomic.Int64
	enough := int64(20 * len(holders)) // each key is completed and forgotten twenty times
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for completed.Load() < enough {
				k, token := random.IntN(len(holders)), idempotency.NewToken()
				key := fmt.Sprint(k)
				got, err := m.Claim(t.Context(), key, token, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if got.State != idempotency.Acquired {
					continue
				}
				acquired.Add(1)
				if n := holders[k].Add(1); n != 1 {
					t.Errorf("%d hold key %s", n, key)
				}
				runtime.Gosched()
				holders[k].Add(-1)
				if random.IntN(2) == 0 {
					err = m.Release(t.Context(), key, token)
				} else {
					completed.Add(1)
					err = m.Complete(t.Context(), key, token)
				}
				if err != nil {
					t.Error(err)
				}
				_ = m.Len()
			}
		})
	}
	wg.Wait()
	t.Logf("%d acquired, %d completed", acquired.Load(), completed.Load())
}

type exitingHandler struct{ slog.Handler }

func (exitingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (exitingHandler) Handle(context.Context, slog.Record) error {
	runtime.Goexit()
	return nil
}

// TestMemory_SurvivesLoggerThatExits checks that the claim is not lost: no lease would release its key.
func TestMemory_SurvivesLoggerThatExits(t *testing.T) {
	m := newMemory(t, &idempotency.MemoryOptions{MaxKeys: 1, Logger: slog.New(exitingHandler{})})
	g := newGuard(t, m, nil)
	result := make(chan idempotency.State, 1)
	go func() {
		defer close(result)
		state, _ := g.Do(t.Context(), "a", func(context.Context) error { return nil })
		result <- state
	}()
	require.Equal(t, idempotency.Acquired, <-result)
}
