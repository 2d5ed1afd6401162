package inboxkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const secret = "a secret"

// StoreTimeout is the StoreTimeout of handlers. A busy machine must not look like an inbox that is down.
const StoreTimeout = 4 * time.Second

// A Handler is a WorkFlux handler with an inbox, and a sender to it.
type Handler struct {
	*workflux.Handler
	Log    *logtest.LogBuffer
	Sender *webhooktest.Sender

	// Calls counts the calls of the callback by the name of their message.
	Calls kit.Counter

	mu   sync.Mutex
	last *webhook.Observation
}

// NewHandler returns a handler. The options have its inbox.
func NewHandler(t testing.TB, o webhook.Options) *Handler {
	t.Helper()
	h := &Handler{Log: new(logtest.LogBuffer)}
	o.Logger, o.Observer = h.Log.Text(), h.observe
	if o.StoreTimeout == 0 {
		o.StoreTimeout = StoreTimeout
	}
	hook, err := NewWorkFlux(o)
	require.NoError(t, err)
	h.Handler, h.Sender = hook, workfluxtest.NewSender(t, hook, secret)
	return h
}

// NewWorkFlux returns a WorkFlux handler without a sender. The inbox checks its server within a time limit, and a busy machine
// may need several tries.
func NewWorkFlux(o webhook.Options) (hook *workflux.Handler, err error) {
	for range 20 {
		if hook, err = workflux.NewHandler(secret, &o); !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return hook, err
}

func (h *Handler) observe(_ context.Context, o webhook.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = &o
}

// Last returns the last observation. It panics without an observation.
func (h *Handler) Last() webhook.Observation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *h.last
}

// OnMessage registers a callback for the deliveries of [MessageBody]. It gets their names.
func (h *Handler) OnMessage(callback func(ctx context.Context, name string) error) {
	h.OnUserMessage(func(ctx context.Context, e *workflux.UserMessage) error {
		h.Calls.Add(e.MessageID)
		return callback(ctx, e.MessageID)
	})
}

// sent is the time in all bodies, so that bodies with the same name and length are the same delivery.
var sent = time.Now().UTC().Format(time.RFC3339)

// MessageBody returns a body with about n bytes. Different names make different deliveries.
func MessageBody(name string, n int) []byte {
	return fmt.Appendf(nil, `{"event":"user.message","timestamp":%q,"data":{"message_id":%q,"text":"%s"}}`,
		sent, name, strings.Repeat("x", n))
}

// Post sends a body as WorkFlux does.
func (h *Handler) Post(body []byte) webhooktest.Response { return h.Sender.Send(h.Sender.Raw(body)) }

// MustRespond posts a body, and requires the status of the response. See [Send].
func (h *Handler) MustRespond(t testing.TB, status int, body []byte) {
	t.Helper()
	response := Send(status, func() webhooktest.Response { return h.Post(body) })
	require.Equal(t, status, response.Status, "%s\n%s", response.Body, h.Log)
}

// Send sends a delivery. If the status must be 200, and a busy machine does not store the delivery in time, Send repeats it, as
// the vendor does. A busy machine may also give another status only after the vendor's timeout, but not five times.
func Send(status int, send func() webhooktest.Response) webhooktest.Response {
	response := send()
	for try := range 20 {
		late := response.Took >= StoreTimeout-time.Second && (status == http.StatusOK || response.Status == 0 && try < 4)
		if response.Status == status || !late {
			break
		}
		response = send()
	}
	return response
}
