package jetstream_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func eventually(t testing.TB, condition func() bool, text ...any) {
	t.Helper()
	require.Eventually(t, condition, testTimeout, 5*time.Millisecond, text...)
}

// consistently requires that condition stays true. (require.Never may call it again after the test.)
func consistently(t testing.TB, condition func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		require.True(t, condition())
	}
}

// A counter counts by name.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	c.n[name]++
	return c.n[name]
}

func (c *counter) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

func (c *counter) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.n {
		n += times
	}
	return n
}

const secret = "a secret"

// A testHandler is a WorkFlux handler with an inbox, and a sender for it.
type testHandler struct {
	*workflux.Handler
	log    *logtest.LogBuffer
	sender *webhooktest.Sender
	calls  counter
}

// newTestHandler returns a handler. It passes the name of each message to callback.
func newTestHandler(t testing.TB, box *jetstreaminbox.Inbox, callback func(ctx context.Context, name string) error) *testHandler {
	t.Helper()
	d := &testHandler{log: new(logtest.LogBuffer)}
	hook, err := workflux.NewHandler(secret, &webhook.Options{
		Inbox: box, Logger: d.log.Text(), StoreTimeout: storeTimeout, // a busy machine must not look like a server that is down
	})
	require.NoError(t, err)
	hook.OnUserMessage(func(ctx context.Context, e *workflux.UserMessage) error {
		d.calls.add(e.MessageID)
		return callback(ctx, e.MessageID)
	})
	d.Handler, d.sender = hook, workfluxtest.NewSender(t, hook, secret)
	return d
}

func succeed(context.Context, string) error { return nil }

// sent is the time in all bodies, so that bodies with the same name are the same delivery.
var sent = time.Now().UTC().Format(time.RFC3339)

// messageBody returns the body of a delivery with about n bytes. Different names make different deliveries.
func messageBody(name string, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":{"message_id":%q,"text":"%s"}}`,
		sent, name, strings.Repeat("x", n))
}

// post sends a body like WorkFlux.
func (d *testHandler) post(body []byte) webhooktest.Response {
	return d.sender.Send(d.sender.Raw(body))
}

const storeTimeout = 4 * time.Second

// mustRespond posts a body that must get the status. If a busy machine does not store it in time, it is posted again, as
// a vendor does.
func (d *testHandler) mustRespond(t testing.TB, status int, body []byte) {
	t.Helper()
	response := d.post(body)
	for range 20 {
		if status != http.StatusOK || response.Status == status || response.Took < storeTimeout-time.Second {
			break
		}
		response = d.post(body)
	}
	require.Equal(t, status, response.Status, "%s\n%s", response.Body, d.log)
}

// retryUntilAccepted posts a body until it gets 200, as its vendor does.
func (d *testHandler) retryUntilAccepted(t testing.TB, body []byte) {
	t.Helper()
	eventually(t, func() bool { return d.post(body).Status == http.StatusOK })
}

// run runs the inbox until the test ends, or until stop is called.
func run(t testing.TB, box *jetstreaminbox.Inbox, hooks ...inbox.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Run(ctx, hooks...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// newDelivery returns a delivery for a direct Enqueue.
func newDelivery(id string) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: "workflux", Endpoint: "default", Type: "user.message", ID: id, Keys: []string{"workflux/default/" + id},
		ReceivedAt: time.Now().UTC(), Body: messageBody(id, 1),
	}
}

func deadLetters(t testing.TB, box *jetstreaminbox.Inbox) []inbox.Entry {
	t.Helper()
	var list []inbox.Entry
	for e, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
		require.NoError(t, err)
		list = append(list, e)
	}
	return list
}

func awaitConsumer(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	eventually(t, func() bool {
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
