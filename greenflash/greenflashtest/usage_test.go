package greenflashtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
)

func TestAFrustratedUserIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that no time passes for real
		alerts := 0
		hook, err := greenflash.NewHandler("a secret", nil)
		require.NoError(t, err)
		hook.OnConversationFrustration(func(context.Context, *greenflash.ConversationFrustration) error {
			time.Sleep(time.Second) // the pager
			alerts++
			return nil
		})
		sender := greenflashtest.NewSender(t, hook, "a secret")
		sender.SendTwiceAtOnce(sender.Sample("conversation.frustration")).WantOK()
		require.Equal(t, 1, alerts)
	})
}
