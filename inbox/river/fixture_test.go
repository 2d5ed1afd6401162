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

// A desk is a handler of one vendor, and the vendor.
type desk struct {
	t    testing.TB
	hook *convosphere.Handler

	mu     sync.Mutex
	called []string // the ids of the deliveries, each time
}

// newDesk returns a handler with an inbox, whose every callback is the function.
func newDesk(t testing.TB, box *riverinbox.Inbox, callback func(ctx context.Context, d *webhook.Delivery) error) *desk {
	t.Helper()
	hook, err := convosphere.NewHandler(secret, &webhook.Options{
		Inbox: box, Logger: slog.New(slog.DiscardHandler), StoreTimeout: storeTimeout, // a machine that is busy is no server that is down
	})
	require.NoError(t, err)
	d := &desk{t: t, hook: hook}
	hook.OnEvent(func(ctx context.Context, e webhook.AnyEvent) error {
		d.mu.Lock()
		d.called = append(d.called, e.Delivery().ID)
		d.mu.Unlock()
		return callback(ctx, e.Delivery())
	})
	return d
}

func succeed(context.Context, *webhook.Delivery) error { return nil }

// post sends the delivery of that id, and returns the status of the answer.
func (d *desk) post(id string) int {
	d.t.Helper()
	sender := convospheretest.NewSender(d.t, d.hook, secret)
	return sender.Send(sender.Event(&convosphere.ConversationStarted{Event: webhook.Event{ID: id}})).Status
}

const storeTimeout = 4 * time.Second

// send sends deliveries that must be accepted. What a machine that is busy has not stored in time is sent again, as its
// vendor does.
func (d *desk) send(ids ...string) {
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
func (d *desk) calls(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(d.called), func(called string) bool { return called != id }))
}

// run has the inbox run deliveries until the test ends, or until stop is called.
func run(t testing.TB, box *riverinbox.Inbox, hooks ...inbox.Hook) (stop func()) {
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

// patience is how long a test waits for what must happen: what takes longer hangs, also on a machine that is busy.
const patience = 2 * time.Minute

// soon waits until condition holds.
func soon(t testing.TB, condition func() bool, message ...any) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, message...)
}

// dead returns the dead letters.
func dead(t testing.TB, box *riverinbox.Inbox) []inbox.Entry {
	t.Helper()
	var list []inbox.Entry
	for e, err := range box.Dead(t.Context(), inbox.Filter{All: true}) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

// parcel is a delivery as a handler makes it, for what goes into an inbox directly.
func parcel(id string, body []byte) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: "convosphere", Endpoint: "default", Type: "conversation.ended", ID: id, EventID: id,
		Time: time.Now(), ReceivedAt: time.Now(), SignedBy: "default", Keys: []string{"convosphere/default/id/" + id}, Body: body,
	}
}

// quick has what failed run again at once.
func quick(attempts int) riverinbox.Options {
	return riverinbox.Options{
		Policy: inbox.Policy{
			MaxAttempts: attempts, Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler),
		},
		Poll: 50 * time.Millisecond,
	}
}
