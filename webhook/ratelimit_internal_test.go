package webhook

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestRateLimiter_MemoryIsBounded(t *testing.T) {
	l := newRateLimiter(rate.Inf, 1)
	for i := range 5 * maxLet {
		require.True(t, l.allow(strconv.Itoa(i)))
		require.LessOrEqual(t, len(l.let), maxLet)
		require.LessOrEqual(t, len(l.past), maxLet)
	}
	l = newRateLimiter(1e-9, 1)
	require.True(t, l.allow("first"))
	for i := range 5 * maxLet {
		require.False(t, l.allow(strconv.Itoa(i)))
	}
	require.Len(t, l.let, 1, "a refused delivery must not be remembered")
}
