package webhook_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

func TestIsIgnored_FollowsTheOutcome(t *testing.T) {
	for want, errs := range map[bool][]error{
		true:  {webhook.Ignore("not ours"), fmt.Errorf("wrapped: %w", webhook.Ignore("not ours"))},
		false: {nil, errors.New("failed"), webhook.Permanent(errors.New("failed")), webhook.RetryAfter(time.Second, nil)},
	} {
		for _, err := range errs {
			require.Equal(t, want, webhook.IsIgnored(err), "%v", err)
		}
	}
}

func TestRetryAfter_UnwrapsToItsCause(t *testing.T) {
	cause := errors.New("failed")
	require.ErrorIs(t, webhook.RetryAfter(time.Second, cause), cause)
	require.ErrorIs(t, webhook.Permanent(cause), cause)
}

// Without a window, the age of a delivery does not shorten Retry-After.
func TestRetryAfter_WithoutWindowIsTheDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{MaxRunning: 1}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window = 0 })
		ping.On(r.Handler, slow)
		go r.deliver(body("a"))
		synctest.Wait()
		require.Equal(t, 5, retryAfter(t, r.deliver(bodyAt("b", time.Now().Add(-time.Minute)))))
		time.Sleep(time.Hour)
	})
}
