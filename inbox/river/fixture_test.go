//go:build unix

package riverinbox_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/webhook"
)

const secret = "rivertest-secret-0123456789"

// A testHandler is a handler of one vendor. It records the calls of its callback, and can send itself deliveries.
type testHandler struct {
	t    testing.TB
	hook *convosphere.Handler

	mu     sync.Mutex
	called []string // the ID of each call's delivery
}

// newTestHandler returns a handler with an inbox, and with callback for all event types.
func newTestHandler(t testing.TB, box *riverinbox.Inbox, callback func(ctx context.Context, d *webhook.Delivery) error) *testHandler {
	t.Helper()
	hook, err := convosphere.NewHandler(secret, &webhook.Options{
		Inbox: box, Logger: slog.New(slog.DiscardHandler), StoreTimeout: storeTimeout, // a busy machine must not look like a server that is down
	})
	require.NoError(t, err)
	d := &testHandler{t: t, hook: hook}
	hook.OnEvent(func(ctx context.Context, e webhook.AnyEvent) error {
		d.mu.Lock()
		d.called = append(d.called, e.Delivery().ID)
		d.mu.Unlock()
		return callback(ctx, e.Delivery())
	})
	return d
}

func succeed(context.Context, *webhook.Delivery) error { return nil }

// post sends the delivery of that ID, and returns the status of the response.
func (d *testHandler) post(id string) int {
	d.t.Helper()
	sender := convospheretest.NewSender(d.t, d.hook, secret)
	return sender.Send(sender.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})).Status
}

const storeTimeout = 4 * time.Second

// send sends deliveries that must be accepted. If a busy machine does not store one in time, send repeats it, as a
// vendor does.
func (d *testHandler) send(ids ...string) {
	d.t.Helper()
	for _, id := range ids {
		status := 0
		for range 20 {
			began := time.Now()
			status = d.post(id)
			if status == http.StatusOK || time.Since(began) < storeTimeout-time.Second {
				break
			}
		}
		require.Equal(d.t, http.StatusOK, status)
	}
}

// calls returns how often the callback was called for a delivery.
func (d *testHandler) calls(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(d.called), func(called string) bool { return called != id }))
}

// run runs the inbox until the test ends, or until stop is called.
func run(t testing.TB, box *riverinbox.Inbox, hooks ...inbox.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error, 1)
	go func() { returned <- box.Run(ctx, hooks...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-returned)
	})
	t.Cleanup(stop)
	return stop
}

// testTimeout is how long a test waits for what must happen. What takes longer hangs, even on a busy machine.
const testTimeout = 2 * time.Minute

// eventually waits until condition is true.
func eventually(t testing.TB, condition func() bool, message ...any) {
	t.Helper()
	require.Eventually(t, condition, testTimeout, 10*time.Millisecond, message...)
}

// deadLetters returns all dead letters.
func deadLetters(t testing.TB, box *riverinbox.Inbox) []inbox.Entry {
	t.Helper()
	var list []inbox.Entry
	for e, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// newDelivery returns a delivery like those of a handler, for a direct Enqueue.
func newDelivery(id string, body []byte) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: "convosphere", Endpoint: "default", Type: "conversation.ended", ID: id, EventID: id,
		Time: time.Now(), ReceivedAt: time.Now(), SignedBy: "default", Keys: []string{"convosphere/default/id/" + id}, Body: body,
	}
}

// fastRetry returns options that retry at once.
func fastRetry(attempts int) riverinbox.Options {
	return riverinbox.Options{
		Policy: inbox.Policy{
			MaxAttempts: attempts, Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler),
		},
		Poll: 50 * time.Millisecond,
	}
}
