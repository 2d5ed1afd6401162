//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const secret = "rivertest-secret-0123456789"

// A testHandler is a handler of one vendor. It records the calls of its callback, and can send itself deliveries.
type testHandler struct {
	t    testing.TB
	hook *convosphere.Handler

	called kit.Counter // the calls by the ID of their delivery
}

// newTestHandler returns a handler with an inbox, and with callback for all event types.
func newTestHandler(t testing.TB, box *riverinbox.Inbox, callback func(ctx context.Context, d *webhook.Delivery) error) *testHandler {
	t.Helper()
	hook, err := convosphere.NewHandler(secret, &webhook.Options{
		Inbox: box, Logger: slog.New(slog.DiscardHandler), StoreTimeout: inboxkit.StoreTimeout,
	})
	require.NoError(t, err)
	d := &testHandler{t: t, hook: hook}
	hook.OnEvent(func(ctx context.Context, e webhook.AnyEvent) error {
		d.called.Add(e.Delivery().ID)
		return callback(ctx, e.Delivery())
	})
	return d
}

func succeed(context.Context, *webhook.Delivery) error { return nil }

// post sends the delivery of that ID. A busy machine may respond after the vendor's timeout, but not five times.
func (d *testHandler) post(id string) (response webhooktest.Response) {
	d.t.Helper()
	sender := convospheretest.NewSender(d.t, d.hook, secret)
	delivery := sender.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})
	for range 5 {
		if response = sender.Send(delivery); !errors.Is(response.Err, context.DeadlineExceeded) {
			break
		}
	}
	return response
}

// send sends deliveries that must be accepted.
func (d *testHandler) send(ids ...string) {
	d.t.Helper()
	for _, id := range ids {
		response := inboxkit.Send(http.StatusOK, func() webhooktest.Response { return d.post(id) })
		require.Equal(d.t, http.StatusOK, response.Status)
	}
}

// calls returns how often the callback was called for a delivery.
func (d *testHandler) calls(id string) int { return d.called.Of(id) }

// newDelivery returns a delivery like those of a handler, for a direct Enqueue.
func newDelivery(id string, body []byte) *webhook.Delivery {
	d := inboxkit.NewDelivery("convosphere", "conversation.ended", id, body)
	d.EventID, d.Time, d.SignedBy = id, d.ReceivedAt, "default"
	return d
}

// fastRetry returns options that retry at once.
func fastRetry(attempts int) riverinbox.Options {
	return riverinbox.Options{
		Policy: inbox.Policy{
			MaxAttempts: attempts, Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler),
		},
		Poll: 100 * time.Millisecond,
	}
}
