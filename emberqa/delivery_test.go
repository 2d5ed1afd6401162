package emberqa_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestDedupKeys_UseWebhookID(t *testing.T) {
	r := newReceiver(t)
	require.Equal(t, webhook.Handled, r.receive(flag).Outcome)
	for _, again := range []string{flag, strings.Replace(flag, "c1", "c2", 1), " " + flag} {
		result := r.receive(again)
		require.Equal(t, webhook.Duplicate, result.Outcome)
		require.JSONEq(t, `{"received":true,"duplicate":true}`, string(result.Body))
	}
	require.Equal(t, webhook.Handled, r.receive(strings.Replace(flag, "w1", "w2", 1)).Outcome)
	require.Len(t, r.Events(), 2)
}

func TestDedupKeys_AreKeptForOneDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t)
		require.Equal(t, webhook.Handled, r.receive(flag).Outcome)
		time.Sleep(24 * time.Hour)
		require.Equal(t, webhook.Duplicate, r.receive(flag).Outcome)
	})
}

func TestHandler_AcceptsAlertsOfAnyAge(t *testing.T) {
	for _, when := range []string{"2001-01-16T15:30:45.123Z", "2999-01-16T15:30:45.123Z", "never"} {
		r := newReceiver(t)
		body := strings.Replace(flag, "{", `{"timestamp":"`+when+`",`, 1)
		require.Equal(t, webhook.Handled, r.receive(body).Outcome, when)
	}
}

func TestHandler_RespondsWithinThirtySeconds(t *testing.T) {
	for took, want := range map[time.Duration]webhook.Reason{
		26 * time.Second: webhook.ReasonNone,
		28 * time.Second: webhook.ReasonOverrun,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t)
			r.React = func(context.Context, webhook.AnyEvent) error { time.Sleep(took); return nil }
			require.Equal(t, want, r.receive(flag).Reason)
			time.Sleep(time.Minute)
			require.Equal(t, webhook.Duplicate, r.receive(flag).Outcome)
		})
	}
}

func TestDedupKeys_IncludeEndpoint(t *testing.T) {
	h, err := emberqa.Config{Endpoint: "eu", Credentials: []emberqa.Credential{emberqa.Token(token)}}.NewHandler(nil)
	require.NoError(t, err)
	h.OnRedFlag(func(context.Context, *emberqa.RedFlag) error { return nil })
	r := newReceiver(t) // for its sender
	r.Handler = h
	require.Equal(t, []string{"emberqa/eu/id/red_flag/w1"}, r.receive(flag).Delivery.Keys)
}
