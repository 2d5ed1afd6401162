package jetstream_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// consistently requires that condition stays true. (require.Never may call it again after the test.)
func consistently(t testing.TB, condition func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		require.True(t, condition())
	}
}

// newTestHandler returns a handler. It passes the name of each message to callback.
func newTestHandler(t testing.TB, box *jetstreaminbox.Inbox, callback func(ctx context.Context, name string) error) *inboxkit.Handler {
	t.Helper()
	d := inboxkit.NewHandler(t, webhook.Options{Inbox: box})
	d.OnMessage(callback)
	return d
}

const secret = "a secret"

func succeed(context.Context, string) error { return nil }

// retryUntilAccepted posts a body until it gets 200, as its vendor does.
func retryUntilAccepted(t testing.TB, d *inboxkit.Handler, body []byte) {
	t.Helper()
	kit.Eventually(t, func() bool { return d.Post(body).Status == http.StatusOK })
}

// newDelivery returns a delivery for a direct Enqueue.
func newDelivery(id string) *webhook.Delivery {
	return inboxkit.NewDelivery("workflux", "user.message", id, inboxkit.MessageBody(id, 1))
}

func awaitConsumer(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	kit.Eventually(t, func() bool {
		_, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil
	})
}

// rawDead returns the first dead letter as a message, to store it again.
func rawDead(t testing.TB, js jetstream.JetStream) *nats.Msg {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEADLETTERS")
	require.NoError(t, err)
	raw, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq)
	require.NoError(t, err)
	raw.Header.Del(jetstream.MsgIDHeader)
	return &nats.Msg{Subject: raw.Subject, Header: raw.Header, Data: raw.Data}
}
