package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

// A downStore fails every claim.
type downStore struct{ idempotency.Store }

func (downStore) Claim(context.Context, string, idempotency.Token, time.Duration) (idempotency.Claim, error) {
	return idempotency.Claim{}, errors.New("the store is down")
}

func TestRedeliver_ObservesRunWithoutResponse(t *testing.T) {
	memory := func() idempotency.Store {
		m, err := idempotency.NewMemory(nil)
		require.NoError(t, err)
		return m
	}
	for name, c := range map[string]struct {
		callback func(context.Context, *Ping) error
		body     func() []byte
		change   func(*webhook.Delivery)
		options  webhook.Options
		shutdown bool
		want     webhook.Outcome
	}{
		"success":      {want: webhook.Handled},
		"error":        {callback: returns(errCallback), want: webhook.Failed},
		"RetryAfter":   {callback: returns(webhook.RetryAfter(time.Minute, errCallback)), want: retryLater},
		"panic":        {callback: func(context.Context, *Ping) error { panic("boom") }, want: panicked},
		"permanent":    {callback: returns(webhook.Permanent(errCallback)), want: webhook.DeadLettered},
		"undecodable":  {body: misfit, want: webhook.DeadLettered},
		"spoiled body": {change: func(d *webhook.Delivery) { d.Body = d.Body[1:] }, want: noObject},
		"store down":   {options: webhook.Options{Store: downStore{memory()}}, want: webhook.Unavailable},
		"wrong name":   {change: func(d *webhook.Delivery) { d.Endpoint = "other" }, want: webhook.Failed},
		"shut down":    {shutdown: true, want: shuttingDown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, c.options)
				if c.callback == nil {
					c.callback = returns(nil)
				}
				ping.On(r.Handler, c.callback)
				b := body("a")
				if c.body != nil {
					b = c.body()
				}
				d := storedBody(t, b)
				if c.change != nil {
					c.change(d)
				}
				if c.shutdown {
					require.NoError(t, r.Shutdown(t.Context()))
				}
				result := r.Redeliver(t.Context(), d)
				require.Equal(t, c.want, as(c.want, result.Outcome, result.Reason))
				require.Len(t, r.observations(), 1)
				o := r.observations()[0]
				require.Equal(t, c.want, as(c.want, o.Outcome, o.Reason))
				require.True(t, o.FromInbox)
				require.Zero(t, o.Status, "a run from an inbox has no response")
				require.Zero(t, r.log.Count(`"level":"ERROR"`), "only the inbox logs a dead letter at Error")
				for _, line := range r.log.Lines() {
					var got map[string]any
					require.NoError(t, json.Unmarshal([]byte(line), &got))
					require.Equal(t, true, got["from_inbox"])
					require.NotContains(t, got, "status")
				}
			})
		})
	}
}

func TestObserver_DistinguishesRequestFromRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, slow)
		require.Equal(t, 503, r.deliver(body("a")).status)
		time.Sleep(time.Minute)
		seen := r.observations()
		require.Len(t, seen, 2)
		require.Equal(t, []any{503, false, false}, []any{seen[0].Status, seen[0].Late, seen[0].FromInbox})
		require.Equal(t, []any{0, true, false}, []any{seen[1].Status, seen[1].Late, seen[1].FromInbox})
	})
}

// The inbox retries a failed run, but not one that succeeded without its key being completed.
func TestRedeliver_LogsUncompletedRunAsError(t *testing.T) {
	for reason, completeErr := range map[webhook.Reason]error{
		webhook.ReasonStore: errors.New("the store is down"), webhook.ReasonLeaseLost: idempotency.ErrLeaseLost,
	} {
		for outcome, returned := range map[webhook.Outcome]error{webhook.Handled: nil, webhook.Ignored: webhook.Ignore("old")} {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{Store: &brokenStore{completeErr: completeErr}})
				ping.On(r.Handler, returns(returned))
				result := r.Redeliver(t.Context(), stored(t, "a"))
				require.Equal(t, outcome, result.Outcome)
				require.Equal(t, reason, result.Reason)
				require.Equal(t, 1, r.log.Count(`"level":"ERROR"`))
				time.Sleep(time.Hour)
			})
		}
	}
}
