package inbox_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

// backoffBounds returns the documented bounds of the nth backoff.
func backoffBounds(n int) (least, most time.Duration) {
	d := 5 * time.Second
	for range n - 1 {
		d = min(2*d, 6*time.Hour)
	}
	return d - d/10, d + d/10
}

func TestTheBackoffDoublesUpToSixHours(t *testing.T) {
	_, before := backoffBounds(1)
	for n := 1; n <= 60; n++ {
		least, most := backoffBounds(n)
		if n > 1 && n < 14 {
			require.Greater(t, least, before, "the shortest is longer than the longest before")
		}
		before = most
		for range 200 {
			d := inbox.DefaultBackoff(n)
			require.GreaterOrEqual(t, d, least, "backoff %d", n)
			require.LessOrEqual(t, d, most, "backoff %d", n)
		}
	}
}

func TestTheBackoffIsBoundedForAnyNumber(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0} {
		require.InDelta(t, 5*time.Second, inbox.DefaultBackoff(n), float64(500*time.Millisecond))
	}
	for _, n := range []int{14, 63, 64, 65, 1000, math.MaxInt} {
		require.InDelta(t, 6*time.Hour, inbox.DefaultBackoff(n), float64(36*time.Minute))
	}
}

func TestTheBackoffPartsThoseWhoFailedTogether(t *testing.T) {
	least, most := backoffBounds(1)
	shortest, longest := most, least
	different := make(map[time.Duration]bool)
	for range 2000 {
		d := inbox.DefaultBackoff(1)
		shortest, longest = min(shortest, d), max(longest, d)
		different[d] = true
	}
	tenth := (most - least) / 10
	require.Less(t, shortest, least+tenth, "down to a tenth less")
	require.Greater(t, longest, most-tenth, "up to a tenth more")
	require.Greater(t, len(different), 1000)
}

func TestTheDefaultAttemptsLastAGoodThreeDays(t *testing.T) {
	var least, most time.Duration
	for n := 1; n < inbox.DefaultMaxAttempts; n++ { // no backoff follows the last attempt
		l, m := backoffBounds(n)
		least, most = least+l, most+m
	}
	require.Greater(t, (least+most)/2, 72*time.Hour)
	require.Less(t, (least+most)/2, 84*time.Hour)
}
