package idempotency

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// PassGeneration makes a quarter of the retention pass at once. For benchmarks, which cannot run in a bubble.
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
