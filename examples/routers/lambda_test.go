package routers_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/examples/routers"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
)

// deliver calls a function for an HTTP API with a timeout.
func deliver(t *testing.T, hook *greenflash.Handler, timeout time.Duration, request *http.Request) response {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	got := new(httpResponse)
	invoke(ctx, t, routers.LambdaHTTP(hook.Handler), httpEventOf(t, httpEvent, request, false), got)
	return got.response()
}

func TestLambdaOptions_EndCallbackBeforeReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := idempotency.NewMemory(nil)
		require.NoError(t, err)
		hook, err := greenflash.NewHandler(secret, routers.LambdaOptions(store))
		require.NoError(t, err)
		running := false
		hook.OnConversationFrustration(func(ctx context.Context, _ *greenflash.ConversationFrustration) error {
			running = true
			defer func() { running = false }()
			<-ctx.Done()
			return ctx.Err()
		})
		request := signed(t, frustration(), "delivery-1")
		start := time.Now()
		got := deliver(t, hook, 10*time.Second, request)
		require.Equal(t, http.StatusInternalServerError, got.status)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.False(t, running)

		// The key must be released before the response, so that any sandbox can run the next attempt.
		require.Equal(t, http.StatusInternalServerError, deliver(t, hook, 10*time.Second, request).status)
	})
}

func TestLambda_StopsWaitingAtDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook, err := greenflash.NewHandler(secret, nil)
		require.NoError(t, err)
		ended := make(chan time.Duration, 1)
		start := time.Now()
		hook.OnConversationFrustration(func(ctx context.Context, _ *greenflash.ConversationFrustration) error {
			<-ctx.Done()
			ended <- time.Since(start)
			return ctx.Err()
		})
		got := deliver(t, hook, time.Second, signed(t, frustration(), "delivery-1"))
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		require.NotEmpty(t, got.header.Get("Retry-After"))
		require.Equal(t, 750*time.Millisecond, time.Since(start))
		require.Equal(t, webhook.DefaultCallbackTimeout, <-ended)
		require.NoError(t, hook.Shutdown(t.Context()))
	})
}

func TestLambda_RefusesInvalidBase64(t *testing.T) {
	r := newReceiver(t, nil)
	event := httpEventOf(t, httpEvent, signed(t, frustration(), "delivery-1"), true)
	event["body"] = "<" + event["body"].(string)
	got := new(httpResponse)
	invoke(t.Context(), t, routers.LambdaHTTP(r.greenflash.Handler), event, got)
	require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	require.Zero(t, r.ran())
	require.Equal(t, "body_cut_off", onlyLine(t, &r.log)["reason"])
}
