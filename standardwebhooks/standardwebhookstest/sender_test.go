package standardwebhookstest_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/standardwebhooks/standardwebhookstest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestSender_SendsUsersTypes(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hook, err := standardwebhooks.NewHandler(secret, &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var got []*standardwebhooks.Event[invoice]
	standardwebhooks.On(hook, "invoice.paid", func(_ context.Context, e *standardwebhooks.Event[invoice]) error {
		got = append(got, e)
		return nil
	})
	sender := standardwebhookstest.NewSender(t, hook, secret)
	paid := &standardwebhooks.Event[invoice]{Event: webhook.Event{Type: "invoice.paid"}, Data: invoice{Number: "R-7"}}
	sender.SendTwice(sender.Event(paid)).WantOK()
	require.Len(t, got, 1)
	require.Equal(t, paid.Data, got[0].Data)
	require.NotEmpty(t, got[0].Delivery().ID)
	sender.Send(sender.Sample("contact.created")).WantOK()
	sender.SendForged(sender.Sample("example.event")).Want(http.StatusUnauthorized)
	require.Len(t, got, 1)
}
