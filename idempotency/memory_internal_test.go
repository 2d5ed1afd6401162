package idempotency

import (
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// PassGeneration makes a quarter of the retention pass at once. It is for benchmarks, which cannot run in a bubble.
func (m *Memory) PassGeneration() { m.start = m.start.Add(-m.step) }

func TestNewMemory_HasTheDocumentedDefaults(t *testing.T) {
	m, err := NewMemory(nil)
	require.NoError(t, err)
	require.Equal(t, 25*time.Hour, m.Retention())
	require.EqualValues(t, 4_000_000, m.maxKeys)
	require.Same(t, slog.Default(), m.logger)
	for retention, step := range map[time.Duration]time.Duration{40: 10, 41: 11, 43: 11, 44: 11, 1: 1} {
		m, err := NewMemory(&MemoryOptions{Retention: retention})
		require.NoError(t, err)
		require.Equal(t, step, m.step, "a quarter of %v, rounded up", retention)
	}
}

func TestGenerationThatTwoCallsNoticeAtOnceEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMemory(&MemoryOptions{Retention: 40 * time.Second})
		require.NoError(t, err)
		time.Sleep(10*time.Second - 1)
		token := NewToken()
		_, err = m.Claim(t.Context(), "key", token, time.Minute)
		require.NoError(t, err)
		require.NoError(t, m.Complete(t.Context(), "key", token))
		for range 4 {
			time.Sleep(10 * time.Second)
			now := m.now()
			m.rotate(now)
			m.rotate(now)
			require.Equal(t, 1, m.Len(), "forgotten early")
		}
		time.Sleep(1)
		require.Zero(t, m.Len())
	})
}

// A key that is completed at the very end of a generation belongs to the next. One whose time is over at the end of a
// generation goes with it.
func TestMemory_GenerationEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMemory(&MemoryOptions{Retention: 40 * time.Second})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		token := NewToken()
		_, err = m.Claim(t.Context(), "key", token, time.Minute)
		require.NoError(t, err)
		require.NoError(t, m.Complete(t.Context(), "key", token))
		_, err = m.Claim(t.Context(), "released", token, time.Minute)
		require.NoError(t, err)
		require.NoError(t, m.Release(t.Context(), "released", token))
		time.Sleep(40*time.Second - 1)
		require.Equal(t, 2, m.Len())
		time.Sleep(1)
		require.Equal(t, 1, m.Len())
		time.Sleep(10*time.Second - 1)
		require.Equal(t, 1, m.Len())
		time.Sleep(1)
		require.Zero(t, m.Len())
	})
}

func TestMemory_MarksUseEveryByte(t *testing.T) {
	m, err := NewMemory(nil)
	require.NoError(t, err)
	var seen [len(mark{})]map[byte]bool
	for i := range seen {
		seen[i] = make(map[byte]bool)
	}
	for range 1000 {
		for i, b := range m.mark(NewToken()) {
			seen[i][b] = true
		}
	}
	for i := range seen {
		require.Greater(t, len(seen[i]), 200, "byte %d", i)
	}
}

// Rebuilding the map costs time for every key in it, so it is not done for each that is completed.
func TestShard_IsRebuiltOnceMostKeysAreGone(t *testing.T) {
	var s shard
	for i := range byte(200) {
		s.activate(digest{i}, entry{})
	}
	for i := range byte(149) {
		s.complete(digest{i}, mark{})
		require.Equal(t, 200, s.peak)
	}
	s.complete(digest{149}, mark{})
	require.Equal(t, 50, s.peak)
}

func TestKeysAreSpreadOverTheShards(t *testing.T) {
	m, err := NewMemory(nil)
	require.NoError(t, err)
	var used [memoryShards]int
	for i := range 100 * memoryShards {
		_, shard := m.digest(string(rune(i + 1)))
		used[shard]++
	}
	for _, n := range used {
		require.InDelta(t, 100, n, 70)
	}
}

// If several calls find that a generation has ended, only one must move the shards to the next. The test locks the last
// shard, so that the first call blocks during the move while the others arrive.
func TestMemory_ConcurrentRotationsMoveOnOnce(t *testing.T) {
	for range 20 {
		m, err := NewMemory(&MemoryOptions{Retention: 40 * time.Hour})
		require.NoError(t, err)
		token := NewToken()
		for i := range 50 * memoryShards { // so that no shard is empty
			key := string(rune(i + 1))
			_, err = m.Claim(t.Context(), key, token, time.Minute)
			require.NoError(t, err)
			require.NoError(t, m.Complete(t.Context(), key, token))
		}
		m.PassGeneration()
		last := &m.shards[memoryShards-1]
		last.mu.Lock()
		const calls = 8
		var began, ended sync.WaitGroup
		began.Add(calls)
		for range calls {
			ended.Go(func() {
				now := m.now()
				began.Done()
				m.rotate(now)
			})
		}
		began.Wait()
		for range 1000 {
			runtime.Gosched() // lets other goroutines run
		}
		last.mu.Unlock()
		ended.Wait()
		for i := range m.shards {
			require.Empty(t, m.shards[i].done[0])
			require.NotEmpty(t, m.shards[i].done[1], "shard %d has moved on once", i)
		}
		require.Equal(t, 50*memoryShards, m.Len(), "none was forgotten early")
	}
}
