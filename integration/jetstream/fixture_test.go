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

func soon(t testing.TB, condition func() bool, text ...any) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond, text...)
}

// forAWhile sees that condition goes on to hold. (require.Never may ask once more after the test.)
func forAWhile(t testing.TB, condition func() bool) {
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

// A desk is a WorkFlux handler before an inbox, and whoever sends to it.
type desk struct {
	*workflux.Handler
	log    *logtest.LogBuffer
	sender *webhooktest.Sender
	calls  counter
}

// newDesk returns a desk whose callback for messages is given their names.
func newDesk(t testing.TB, box *jetstreaminbox.Inbox, callback func(ctx context.Context, name string) error) *desk {
	t.Helper()
	d := &desk{log: new(logtest.LogBuffer)}
	hook, err := workflux.NewHandler(secret, &webhook.Options{
		Inbox: box, Logger: d.log.Text(), StoreTimeout: storeTimeout, // a machine that is busy is no server that is down
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

// sent is the time in all letters, so that those of one name are one delivery.
var sent = time.Now().UTC().Format(time.RFC3339)

// letter is the body of a delivery of about n bytes; letters of different names are different deliveries.
func letter(name string, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":{"message_id":%q,"text":"%s"}}`,
		sent, name, strings.Repeat("x", n))
}

// post sends a body as WorkFlux does.
func (d *desk) post(body []byte) webhooktest.Response { return d.sender.Send(d.sender.Raw(body)) }

const storeTimeout = 4 * time.Second

// is posts a body that must be answered with the status. What a machine that is busy has not stored in time is posted again,
// as its vendor does.
func (d *desk) is(t testing.TB, status int, body []byte) {
	t.Helper()
	answer := d.post(body)
	for range 20 {
		if status != http.StatusOK || answer.Status == status || answer.Took < storeTimeout-time.Second {
			break
		}
		answer = d.post(body)
	}
	require.Equal(t, status, answer.Status, "%s\n%s", answer.Body, d.log)
}

// accepted posts a body until it is answered 200, as its vendor does.
func (d *desk) accepted(t testing.TB, body []byte) {
	t.Helper()
	soon(t, func() bool { return d.post(body).Status == http.StatusOK })
}

// run has the inbox run until the test ends, or until what it returns is called.
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

// parcel is a delivery that no handler has made.
func parcel(id string) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: "workflux", Endpoint: "default", Type: "user.message", ID: id, Keys: []string{"workflux/default/" + id},
		ReceivedAt: time.Now().UTC(), Body: letter(id, 1),
	}
}

func dead(t testing.TB, box *jetstreaminbox.Inbox) []inbox.Entry {
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
	soon(t, func() bool {
		_, err := js.Consumer(t.Context(), jetstreaminbox.DefaultName, "workflux_default")
		return err == nil
	})
}

// rawDead returns the dead letter that there is, to be stored once more.
func rawDead(t testing.TB, js jetstream.JetStream) *nats.Msg {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName+"_DEAD")
	require.NoError(t, err)
	raw, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq)
	require.NoError(t, err)
	raw.Header.Del(jetstream.MsgIDHeader)
	return &nats.Msg{Subject: raw.Subject, Header: raw.Header, Data: raw.Data}
}
