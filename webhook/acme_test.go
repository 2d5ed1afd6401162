package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Ping is the event of Acme, a test vendor with all rules of the real ones. It signs the body, which has a time. It makes
// three attempts and then disables the endpoint.
type Ping struct {
	webhook.Event `json:"@event"`
	N             int `json:"n"`
}

var ping = webhook.NewEventType[Ping]("ping")

func acme() vendors.Profile {
	return vendors.Profile{
		Name:   "acme",
		Scheme: &signature.Scheme{Header: "X-Acme-Signature", Forms: []signature.Form{{Name: "body"}}},
		Envelope: vendors.EnvelopeNames{
			Type: []string{"type"}, ID: []string{"id"}, Time: []string{"time"}, Data: []string{"data"},
		},
		DedupKeys:        vendors.ByEventID,
		Window:           time.Hour,
		RespondWithin:    5 * time.Second,
		RetryWindow:      30 * time.Minute,
		Attempts:         3,
		ShortestPause:    time.Minute,
		GiveUpAfter:      20 * time.Minute,
		DisablesEndpoint: true,
		Events:           []vendors.EventType{ping, webhook.NewEventType[Ping]("pong")},
	}
}

const acmeSecret = "acme-secret-that-must-not-show"

// A receiver is a handler for Acme, with its sender, its store, its observations and its log.
type receiver struct {
	*webhook.Handler
	t        testing.TB
	sender   *webhooktest.Sender
	store    idempotency.Store
	onSocket bool // send with ServeHTTP instead of Process

	connections atomic.Int64 // of eachHTTP

	mu       sync.Mutex
	observed []webhook.Observation
	log      logtest.LogBuffer
}

func newReceiver(t testing.TB, o webhook.Options, change ...func(*vendors.Profile, *vendors.HandlerConfig)) *receiver {
	t.Helper()
	r := &receiver{t: t}
	p, e := acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", acmeSecret)}}
	for _, f := range change {
		f(&p, &e)
	}
	if o.Store == nil {
		memory, err := idempotency.NewMemory(nil)
		require.NoError(t, err)
		o.Store = memory
	}
	if o.Inbox != nil && o.StoreTimeout == 0 {
		o.StoreTimeout = patience // a busy machine must not look like an inbox that is down
	}
	r.store = o.Store
	o.Logger = r.log.JSON(slog.LevelDebug)
	observer := o.Observer
	o.Observer = func(ctx context.Context, obs webhook.Observation) {
		r.mu.Lock()
		r.observed = append(r.observed, obs)
		r.mu.Unlock()
		if observer != nil {
			observer(ctx, obs)
		}
	}
	h, err := webhook.NewHandler(p, e, &o)
	require.NoError(t, err)
	r.Handler = h
	r.sender = senderTo(t, p, r)
	return r
}

// senderTo returns a sender to h.
func senderTo(t testing.TB, p vendors.Profile, h http.Handler) *webhooktest.Sender {
	t.Helper()
	v := webhooktest.Vendor{Profile: p}
	return v.NewSender(t, h, acmeSecret).WithPath("/")
}

func (r *receiver) observations() []webhook.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]webhook.Observation(nil), r.observed...)
}

// body returns the body of a ping that is dated now.
func body(id string) []byte { return bodyAt(id, time.Now()) }

func bodyAt(id string, at time.Time) []byte {
	b, _ := json.Marshal(map[string]any{"type": "ping", "id": id, "time": at.Unix(), "data": map[string]any{"n": 7}})
	return b
}

// An httpResponse is the response that the sender gets.
type httpResponse struct {
	status int
	header http.Header
	body   string
}

// signed returns the signed request with that body.
func (r *receiver) signed(body []byte) *http.Request {
	r.t.Helper()
	return r.sender.Request(r.sender.Raw(body))
}

// deliver signs and sends a body.
func (r *receiver) deliver(body []byte) httpResponse {
	r.t.Helper()
	request := r.signed(body)
	return r.send(request)
}

// send sends a request unchanged.
func (r *receiver) send(request *http.Request) httpResponse {
	if r.onSocket {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, request)
		return httpResponse{w.Code, w.Header(), w.Body.String()}
	}
	var in io.Reader
	if request.Body != nil {
		in = request.Body
	}
	result := r.Process(request.Context(), webhook.Request{
		Method: request.Method, URL: request.URL, Header: request.Header, Body: in, ContentLength: request.ContentLength,
	})
	return httpResponse{result.Status, result.Header(), string(result.Body)}
}

// keyOf is the store key of an Acme delivery.
func keyOf(id string) string { return "acme/default/id/ping/" + id }

// keyState returns the state of a key in the words of the contract. It claims the key, so call it once.
func (r *receiver) keyState(id string) string {
	r.t.Helper()
	claim, err := r.store.Claim(r.t.Context(), keyOf(id), idempotency.NewToken(), time.Minute)
	require.NoError(r.t, err)
	switch {
	case claim.State == idempotency.Completed:
		return "completed"
	case claim.State == idempotency.InFlight:
		return "in flight"
	case claim.Attempt == 1:
		return "none"
	default:
		return "released"
	}
}

func retryAfter(t testing.TB, r httpResponse) int {
	t.Helper()
	n, err := strconv.Atoi(r.header.Get("Retry-After"))
	require.NoError(t, err, "Retry-After must be whole seconds")
	return n
}
