package greenflashtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
)

func TestAFrustratedUserIsReportedOnce(t *testing.T) {
	hook, err := greenflash.NewHandler("a secret", nil)
	require.NoError(t, err)
	var alerts []string
	hook.OnConversationFrustration(func(_ context.Context, e *greenflash.ConversationFrustration) error {
		alerts = append(alerts, e.ConversationID)
		return nil
	})

	sender := greenflashtest.NewSender(t, hook, "a secret")
	sender.SendTwiceAtOnce(sender.Event(&greenflash.ConversationFrustration{
		Conversation: greenflash.Conversation{ConversationID: "conversation-1"},
	})).WantOK()
	require.Equal(t, []string{"conversation-1"}, alerts)
}

func TestARatingThatCouldNotBeSavedComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // minutes pass instantly in a bubble
		hook, err := greenflash.NewHandler("a secret", nil)
		require.NoError(t, err)
		tries := 0
		hook.OnConversationRating(func(context.Context, *greenflash.ConversationRating) error {
			if tries++; tries < 3 {
				return errors.New("the database is unavailable")
			}
			return nil
		})

		sender := greenflashtest.NewSender(t, hook, "a secret")
		sender = sender.WithSchedule(greenflashtest.Vendor().Schedules[1])
		sender.Deliver(sender.Sample(greenflash.TypeConversationRating)).Want(500, 500, 200)
	})
}
