package webhook_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// unsigned returns a receiver for a vendor that sends the time in a header that it does not sign.
func unsigned(t *testing.T, store idempotency.Store) *receiver {
	t.Helper()
	r := newReceiver(t, webhook.Options{Store: store}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
		p.TimeField, p.Window, p.RetryWindow = "X-Acme-Time", 5*time.Minute, 0
	})
	ping.On(r.Handler, returns(nil))
	return r
}

// now sends a body with the current time in the header, as anyone can.
func (r *receiver) now(b []byte) webhook.Result {
	r.t.Helper()
	request := r.request(b)
	request.Header.Set("X-Acme-Time", strconv.FormatInt(time.Now().Unix(), 10))
	request.Body = bytes.NewReader(b)
	return r.Process(r.t.Context(), request)
}

func TestUnsignedTime_IsCheckedAgainstMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := unsigned(t, memory(t, 10*time.Hour))
		captured := body("a")
		require.Equal(t, webhook.Handled, r.now(captured).Outcome)
		time.Sleep(time.Hour)
		require.Equal(t, webhook.Duplicate, r.now(captured).Outcome)
		old := bodyAt("b", time.Now().Add(-50*time.Minute))
		require.Equal(t, webhook.Handled, r.now(old).Outcome, "the store has existed for an hour")

		r = unsigned(t, memory(t, 10*time.Hour))
		require.Equal(t, webhook.ReasonStale, r.now(captured).Reason, "the new store knows nothing of it")
		require.Equal(t, webhook.Handled, r.now(bodyAt("c", time.Now().Add(-4*time.Minute))).Outcome, "a genuine one that the restart has delayed")
		require.Equal(t, webhook.ReasonFuture, r.now(bodyAt("d", time.Now().Add(time.Hour))).Reason)
		require.NotContains(t, r.log.String(), "durable store")

		time.Sleep(20 * time.Hour)
		require.Equal(t, webhook.Handled, r.now(bodyAt("e", time.Now().Add(-9*time.Hour))).Outcome)
		require.Equal(t, webhook.ReasonStale, r.now(bodyAt("f", time.Now().Add(-10*time.Hour))).Reason, "the retention, less what a clock may be ahead")
	})
}

// Both times must be fresh.
func TestUnsignedTime_IsCheckedAgainstWindow(t *testing.T) {
	r := unsigned(t, memory(t, 10*time.Hour))
	b := body("a")
	request := r.request(b)
	request.Header.Set("X-Acme-Time", strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10))
	require.Equal(t, webhook.ReasonStale, r.Process(t.Context(), request).Reason)
}

func TestUnsignedTime_IsCheckedAgainstRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := unsigned(t, struct{ idempotency.Store }{memory(t, 10*time.Hour)}) // a store that survives restarts
		require.Equal(t, webhook.Handled, r.now(bodyAt("a", time.Now().Add(-9*time.Hour))).Outcome)
		require.Equal(t, webhook.ReasonStale, r.now(bodyAt("b", time.Now().Add(-10*time.Hour))).Reason)
		require.Equal(t, webhook.Handled, r.now([]byte(`{"type":"ping","id":"c"}`)).Outcome)
		require.NotContains(t, r.log.String(), "durable store")
	})
}

func TestUnsignedTime_WarnsOnceWithoutTimeInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := unsigned(t, memory(t, 10*time.Hour))
		for id := range 3 {
			require.Equal(t, webhook.Handled, r.now(fmt.Appendf(nil, `{"type":"ping","id":"%d"}`, id)).Outcome)
		}
		require.Equal(t, 1, r.log.Count("set Options.Store to a durable store", `"form":"body"`))
	})
}

func TestSignedTime_NeedsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Store: memory(t, 10*time.Hour)})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, webhook.Handled, r.Process(t.Context(), r.request(bodyAt("a", time.Now().Add(-50*time.Minute)))).Outcome, "its window is an hour")
	})
}
