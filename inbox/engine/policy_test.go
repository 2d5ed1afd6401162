package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

func TestThePolicyHasItsDefaults(t *testing.T) {
	p, err := engine.WithDefaults(inbox.Policy{})
	require.NoError(t, err)
	require.Equal(t, inbox.DefaultMaxAttempts, p.MaxAttempts)
	require.Equal(t, inbox.DefaultConcurrency, p.Concurrency)
	require.Equal(t, inbox.DefaultDrainTimeout, p.DrainTimeout)
	require.Same(t, slog.Default(), p.Logger)
	require.InDelta(t, 5*time.Second, p.Backoff(1), float64(time.Second))
	require.Nil(t, p.OnDeadLetter)
	require.Empty(t, p.Limits)
}

func TestWhatThePolicySaysIsKept(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	p, err := engine.WithDefaults(inbox.Policy{
		MaxAttempts: 1, Concurrency: 2, DrainTimeout: 3, Logger: logger, Limits: map[string]int{"acme": 4, "acme/eu": 5},
		Backoff: func(n int) time.Duration { return time.Duration(n) }, OnDeadLetter: func(context.Context, inbox.Entry) {},
	})
	require.NoError(t, err)
	require.Equal(t, []any{1, 2, time.Duration(3)}, []any{p.MaxAttempts, p.Concurrency, p.DrainTimeout})
	require.Same(t, logger, p.Logger)
	require.Equal(t, map[string]int{"acme": 4, "acme/eu": 5}, p.Limits)
	require.Equal(t, time.Duration(7), p.Backoff(7))
	require.NotNil(t, p.OnDeadLetter)
}

func TestAPolicyThatBreaksARuleIsRefusedByName(t *testing.T) {
	for text, p := range map[string]inbox.Policy{
		"inbox: Policy.MaxAttempts (-1) must not be negative":                                                   {MaxAttempts: -1},
		"inbox: Policy.Concurrency (-1) must not be negative":                                                   {Concurrency: -1},
		"inbox: Policy.DrainTimeout (-1) must not be negative":                                                  {DrainTimeout: -1},
		`inbox: Policy.Limits["acme"] (0) must be positive; to run nothing, do not give the handler to Run`:     {Limits: map[string]int{"acme": 0}},
		`inbox: Policy.Limits["acme/eu"] (-1) must be positive; to run nothing, do not give the handler to Run`: {Limits: map[string]int{"acme/eu": -1}},
		`inbox: the key "" of Policy.Limits must be "vendor" or "vendor/endpoint"`:                              {Limits: map[string]int{"": 1}},
		`inbox: the key "/eu" of Policy.Limits must be "vendor" or "vendor/endpoint"`:                           {Limits: map[string]int{"/eu": 1}},
		`inbox: the key "acme/" of Policy.Limits must be "vendor" or "vendor/endpoint"`:                         {Limits: map[string]int{"acme/": 1}},
	} {
		_, err := engine.WithDefaults(p)
		require.EqualError(t, err, text)
	}
}
