package engine_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

var errCallback = errors.New("the callback failed")

// decided returns the decision when the nth of five attempts returns the result after three seconds.
func decided(t *testing.T, n int, result webhook.Result) (d engine.Decision) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dispatcher, _ := newDispatcher(t, inbox.Policy{MaxAttempts: 5}, acme(func(context.Context, *webhook.Delivery) webhook.Result {
			time.Sleep(3 * time.Second)
			return result
		}))
		began := time.Now()
		d = dispatcher.Dispatch(t.Context(), delivery("a"), n)
		require.Equal(t, began, d.Attempt.At)
		require.Equal(t, 3*time.Second, d.Attempt.Took)
		require.Equal(t, result.Outcome, d.Attempt.Outcome)
		require.Equal(t, result.Reason, d.Attempt.Reason)
		if result.Err != nil {
			require.Equal(t, result.Err.Error(), d.Attempt.Error)
		} else {
			require.Empty(t, d.Attempt.Error)
		}
	})
	return d
}

// outcomes has all outcomes that Redeliver can return, with the reasons that matter, and the expected decision.
var outcomes = map[ending]struct {
	disposition engine.Disposition
	counted     bool
}{
	{webhook.Handled, ""}:                             {engine.Complete, true},
	{webhook.Handled, webhook.ReasonStore}:            {engine.Complete, true},
	{webhook.Handled, webhook.ReasonLeaseLost}:        {engine.Complete, true},
	{webhook.Ignored, ""}:                             {engine.Complete, true},
	{webhook.Ignored, webhook.ReasonStore}:            {engine.Complete, true},
	{webhook.Duplicate, ""}:                           {engine.Complete, false},
	{webhook.DeadLettered, webhook.ReasonPermanent}:   {engine.DeadLetter, true},
	{webhook.DeadLettered, webhook.ReasonUndecodable}: {engine.DeadLetter, true},
	{webhook.Rejected, webhook.ReasonNoObject}:        {engine.DeadLetter, true},
	{webhook.Failed, ""}:                              {engine.Retry, true},
	{webhook.Failed, webhook.ReasonRetryAfter}:        {engine.Retry, true},
	{webhook.Failed, webhook.ReasonPanic}:             {engine.Retry, true},
	{webhook.InFlight, ""}:                            {engine.Retry, false},
	{webhook.Unavailable, webhook.ReasonStore}:        {engine.Retry, false},
	{webhook.Unavailable, webhook.ReasonRunning}:      {engine.Retry, false},
	{webhook.Unavailable, webhook.ReasonShuttingDown}: {engine.Retry, false},
	{webhook.Unhandled, webhook.ReasonNoCallback}:     {engine.Defer, false},
	{"unknown", ""}:                                   {engine.Retry, true},
}

// An ending is an outcome and its reason.
type ending struct {
	outcome webhook.Outcome
	reason  webhook.Reason
}

func (e ending) String() string { return string(e.outcome) + " " + string(e.reason) }

func TestEachOutcomeHasItsVerdictAndCountsOrDoesNot(t *testing.T) {
	for ended, want := range outcomes {
		t.Run(ended.String(), func(t *testing.T) {
			d := decided(t, 3, webhook.Result{Outcome: ended.outcome, Reason: ended.reason, Err: errCallback})
			require.Equal(t, want.disposition, d.Disposition)
			require.Equal(t, want.counted, d.Attempt.Counted)
			switch {
			case want.disposition != engine.Retry, ended.reason == webhook.ReasonShuttingDown:
				require.Zero(t, d.After)
			case ended.outcome == webhook.InFlight:
				require.Equal(t, time.Minute, d.After, "the first backoff")
			default:
				require.Equal(t, 3*time.Minute, d.After, "the backoff after the third failure")
			}
		})
	}
}

func TestOnlyAnAttemptThatCountsCanBeTheLast(t *testing.T) {
	for ended, want := range outcomes {
		t.Run(ended.String(), func(t *testing.T) {
			for n := 5; n <= 6; n++ {
				d := decided(t, n, webhook.Result{Outcome: ended.outcome, Reason: ended.reason, RetryAfter: time.Hour})
				require.Equal(t, want.counted, d.Attempt.Counted)
				if want.disposition == engine.Retry && want.counted {
					require.Equal(t, engine.DeadLetter, d.Disposition)
					require.Zero(t, d.After)
				} else {
					require.Equal(t, want.disposition, d.Disposition)
				}
			}
			require.NotEqual(t, engine.DeadLetter, decided(t, 4, webhook.Result{Outcome: webhook.Failed}).Disposition)
		})
	}
}

func TestHowLongAResultWantsToWaitGoesBeforeTheBackoff(t *testing.T) {
	for _, ended := range []ending{
		{webhook.Failed, webhook.ReasonRetryAfter}, {webhook.Unavailable, webhook.ReasonStore}, {webhook.Unavailable, webhook.ReasonRunning},
	} {
		for _, after := range []time.Duration{1, 1500 * time.Millisecond, time.Hour + 1, 72 * time.Hour, math.MaxInt64} {
			require.Equal(t, after, decided(t, 1, webhook.Result{Outcome: ended.outcome, Reason: ended.reason, RetryAfter: after}).After)
		}
		for _, after := range []time.Duration{0, -time.Second} {
			require.Equal(t, time.Minute, decided(t, 1, webhook.Result{Outcome: ended.outcome, Reason: ended.reason, RetryAfter: after}).After)
		}
	}
}

func TestATwinIsLookedAfterSoonerThanItsLeaseEnds(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Second: time.Second, 40 * time.Second: 40 * time.Second, time.Hour: time.Minute,
	} {
		require.Equal(t, want, decided(t, 4, webhook.Result{Outcome: webhook.InFlight, RetryAfter: after}).After)
	}
}

func TestACallbackThatMissesADeadlineOfItsOwnHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dispatcher, _ := newDispatcher(t, inbox.Policy{MaxAttempts: 1}, acme(func(ctx context.Context, _ *webhook.Delivery) webhook.Result {
			<-ctx.Done()
			return webhook.Result{Outcome: webhook.Failed, Err: ctx.Err()}
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		d := dispatcher.Dispatch(ctx, delivery("a"), 1)
		require.Equal(t, engine.DeadLetter, d.Disposition)
		require.True(t, d.Attempt.Counted)
	})
}

func TestWhatAShutdownRefusedIsForTheNextProcessAtOnce(t *testing.T) {
	d := decided(t, 5, webhook.Result{Outcome: webhook.Unavailable, Reason: webhook.ReasonShuttingDown, RetryAfter: 5 * time.Second})
	require.Equal(t, engine.Retry, d.Disposition)
	require.False(t, d.Attempt.Counted)
	require.Zero(t, d.After)
}

func TestWhatTheRunCancelledIsForTheNextProcessAndDoesNotCount(t *testing.T) {
	for ended, want := range outcomes {
		t.Run(ended.String(), func(t *testing.T) {
			dispatcher, _ := newDispatcher(t, inbox.Policy{MaxAttempts: 1}, acme(returns(webhook.Result{Outcome: ended.outcome, Reason: ended.reason, RetryAfter: time.Hour})))
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			d := dispatcher.Dispatch(ended, delivery("a"), 1)
			require.Equal(t, want.disposition, d.Disposition, "the disposition is the same")
			require.Zero(t, d.After)
			require.Equal(t, want.counted && want.disposition != engine.Retry, d.Attempt.Counted)
		})
	}
}

func TestAPanicOfAHookIsAnAttempt(t *testing.T) {
	dispatcher, _ := newDispatcher(t, inbox.Policy{}, acme(func(context.Context, *webhook.Delivery) webhook.Result { panic("boom") }))
	d := dispatcher.Dispatch(t.Context(), delivery("a"), 2)
	require.Equal(t, engine.Retry, d.Disposition)
	require.Equal(t, webhook.ReasonPanic, d.Attempt.Reason)
	require.True(t, d.Attempt.Counted)
	require.Contains(t, d.Attempt.Error, "boom")
	require.Equal(t, 2*time.Minute, d.After)
}

func TestTheTextOfAnErrorIsCutOffBetweenCharacters(t *testing.T) {
	keptOf := func(text string) string {
		dispatcher, _ := newDispatcher(t, inbox.Policy{}, acme(returns(webhook.Result{Outcome: webhook.Failed, Err: errors.New(text)})))
		return dispatcher.Dispatch(t.Context(), delivery("a"), 1).Attempt.Error
	}
	whole := strings.Repeat("x", engine.MaxError)
	require.Equal(t, whole, keptOf(whole))
	require.Equal(t, whole, keptOf(whole+"y"))
	for _, character := range []string{"é", "鍵", "🔑"} {
		for before := range 4 {
			text := strings.Repeat("x", before) + strings.Repeat(character, engine.MaxError)
			kept := keptOf(text)
			require.True(t, utf8.ValidString(kept))
			require.True(t, strings.HasPrefix(text, kept))
			require.LessOrEqual(t, len(kept), engine.MaxError)
			require.Greater(t, len(kept), engine.MaxError-utf8.UTFMax)
		}
	}
	require.GreaterOrEqual(t, len(keptOf(strings.Repeat("\x80", 2*engine.MaxError))), engine.MaxError-utf8.UTFMax, "invalid UTF-8 is cut anywhere")
}
