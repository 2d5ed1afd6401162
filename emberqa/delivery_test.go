package emberqa_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestAWebhookIDIsOneEventWhateverElseIsSentWithIt(t *testing.T) {
	r := newReceiver(t)
	require.Equal(t, webhook.Handled, r.receive(flag).Outcome)
	for _, again := range []string{flag, strings.Replace(flag, "c1", "c2", 1), " " + flag} {
		result := r.receive(again)
		require.Equal(t, webhook.Duplicate, result.Outcome)
		require.JSONEq(t, `{"received":true,"duplicate":true}`, string(result.Body))
	}
	require.Equal(t, webhook.Handled, r.receive(strings.Replace(flag, "w1", "w2", 1)).Outcome)
	require.Len(t, r.events, 2)
}

func TestAWebhookIDIsKeptForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		require.Equal(t, webhook.Handled, r.receive(flag).Outcome)
		time.Sleep(24 * time.Hour)
		require.Equal(t, webhook.Duplicate, r.receive(flag).Outcome)
	})
	short, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: 23 * time.Hour})
	require.NoError(t, err)
	_, err = emberqa.NewHandler(emberqa.Token(token), &webhook.Options{Store: short})
	require.ErrorContains(t, err, "Options.Store")
}

func TestAnAlertOfAnyAgeIsTaken(t *testing.T) {
	for _, when := range []string{"2001-01-16T15:30:45.123Z", "2999-01-16T15:30:45.123Z", "never"} {
		r := newReceiver(t)
		body := strings.Replace(flag, "{", `{"timestamp":"`+when+`",`, 1)
		require.Equal(t, webhook.Handled, r.receive(body).Outcome, when)
	}
}

func TestEmberQAIsAnsweredWithinItsThirtySeconds(t *testing.T) {
	for took, want := range map[time.Duration]webhook.Outcome{
		26 * time.Second: webhook.Handled,
		28 * time.Second: webhook.Overrun,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t)
			r.react = func(context.Context, any) error { time.Sleep(took); return nil }
			require.Equal(t, want, r.receive(flag).Outcome)
			time.Sleep(time.Minute)
			require.Equal(t, webhook.Duplicate, r.receive(flag).Outcome)
		})
	}
}

func TestTheSecondFailureIsParkedUnlessConfigAttemptsSaysOtherwise(t *testing.T) {
	for attempts, want := range map[int][]webhook.Outcome{
		0: {webhook.Failed, webhook.DeadLettered, webhook.Duplicate},
		3: {webhook.Failed, webhook.Failed, webhook.DeadLettered},
	} {
		h, err := emberqa.Config{
			Credentials: []emberqa.Credential{emberqa.Token(token)},
			Attempts:    attempts,
		}.NewHandler(&webhook.Options{
			Logger:     slog.New(slog.DiscardHandler),
			DeadLetter: func(context.Context, *webhook.Delivery, error) error { return nil },
		})
		require.NoError(t, err)
		h.OnRedFlag(func(context.Context, *emberqa.RedFlag) error { return errors.New("no pager") })
		r := newReceiver(t) // for its sender
		r.Handler = h
		for _, outcome := range want {
			require.Equal(t, outcome, r.receive(flag).Outcome, "attempts: %d", attempts)
		}
	}
}

func TestAnEndpointHasKeysOfItsOwn(t *testing.T) {
	h, err := emberqa.Config{Endpoint: "eu", Credentials: []emberqa.Credential{emberqa.Token(token)}}.NewHandler(nil)
	require.NoError(t, err)
	h.OnRedFlag(func(context.Context, *emberqa.RedFlag) error { return nil })
	r := newReceiver(t) // for its sender
	r.Handler = h
	require.Equal(t, []string{"emberqa/eu/id/w1"}, r.receive(flag).Delivery.Keys)
}
