package webhook_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
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
