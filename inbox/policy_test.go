package inbox_test

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

func TestThePolicyHasItsDefaults(t *testing.T) {
	p, err := inbox.Policy{}.WithDefaults()
	require.NoError(t, err)
	require.Equal(t, inbox.DefaultMaxAttempts, p.MaxAttempts)
	require.Equal(t, inbox.DefaultConcurrency, p.Concurrency)
	require.Equal(t, inbox.DefaultDrainTimeout, p.DrainTimeout)
	require.Same(t, slog.Default(), p.Logger)
	require.InDelta(t, 5*time.Second, p.Backoff(1), float64(time.Second))
	require.Nil(t, p.OnDead)
	require.Empty(t, p.Limits)
}

func TestWhatThePolicySaysIsKept(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	p, err := inbox.Policy{
		MaxAttempts: 1, Concurrency: 2, DrainTimeout: 3, Logger: logger, Limits: map[string]int{"acme": 4, "acme/eu": 5},
		Backoff: func(n int) time.Duration { return time.Duration(n) }, OnDead: func(context.Context, inbox.Entry) {},
	}.WithDefaults()
	require.NoError(t, err)
	require.Equal(t, []any{1, 2, time.Duration(3)}, []any{p.MaxAttempts, p.Concurrency, p.DrainTimeout})
	require.Same(t, logger, p.Logger)
	require.Equal(t, map[string]int{"acme": 4, "acme/eu": 5}, p.Limits)
	require.Equal(t, time.Duration(7), p.Backoff(7))
	require.NotNil(t, p.OnDead)
}

func TestAPolicyThatBreaksARuleIsRefusedByName(t *testing.T) {
	for text, p := range map[string]inbox.Policy{
		"inbox: Policy.MaxAttempts cannot be negative":                                                   {MaxAttempts: -1},
		"inbox: Policy.Concurrency cannot be negative":                                                   {Concurrency: -1},
		"inbox: Policy.DrainTimeout cannot be negative":                                                  {DrainTimeout: -1},
		`inbox: Policy.Limits["acme"] must be positive; to run nothing, leave the handler out of Run`:    {Limits: map[string]int{"acme": 0}},
		`inbox: Policy.Limits["acme/eu"] must be positive; to run nothing, leave the handler out of Run`: {Limits: map[string]int{"acme/eu": -1}},
		`inbox: Policy.Limits[""] must be a vendor, or a vendor, a slash and an endpoint`:                {Limits: map[string]int{"": 1}},
		`inbox: Policy.Limits["/eu"] must be a vendor, or a vendor, a slash and an endpoint`:             {Limits: map[string]int{"/eu": 1}},
		`inbox: Policy.Limits["acme/"] must be a vendor, or a vendor, a slash and an endpoint`:           {Limits: map[string]int{"acme/": 1}},
	} {
		_, err := p.WithDefaults()
		require.EqualError(t, err, text)
	}
}

// backoffBounds returns within what the nth backoff is, by the documentation's own words.
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
			require.Greater(t, least, before, "each is longer than the one before, wherever they fall")
		}
		before = most
		for range 200 {
			d := inbox.Backoff(n)
			require.GreaterOrEqual(t, d, least, "backoff %d", n)
			require.LessOrEqual(t, d, most, "backoff %d", n)
		}
	}
}

func TestTheBackoffIsBoundedForAnyNumber(t *testing.T) {
	for _, n := range []int{math.MinInt, -1, 0} {
		require.InDelta(t, 5*time.Second, inbox.Backoff(n), float64(500*time.Millisecond))
	}
	for _, n := range []int{14, 63, 64, 65, 1000, math.MaxInt} {
		require.InDelta(t, 6*time.Hour, inbox.Backoff(n), float64(36*time.Minute))
	}
}

func TestTheBackoffPartsThoseWhoFailedTogether(t *testing.T) {
	least, most := backoffBounds(1)
	shortest, longest := most, least
	different := make(map[time.Duration]bool)
	for range 2000 {
		d := inbox.Backoff(1)
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
	for n := 1; n < inbox.DefaultMaxAttempts; n++ { // the last is followed by none
		l, m := backoffBounds(n)
		least, most = least+l, most+m
	}
	require.Greater(t, (least+most)/2, 72*time.Hour)
	require.Less(t, (least+most)/2, 84*time.Hour)
}
