package idempotency

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// PassGeneration makes a quarter of the retention pass at once. It is for benchmarks, which cannot run in a bubble.
func (m *Memory) PassGeneration() { m.start = m.start.Add(-m.step) }

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
