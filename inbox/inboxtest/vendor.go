package inboxtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// The vendors of the suite exist only as data. They sign their bodies, and identify their deliveries by the id in the
// body.
const (
	acme = "acme"
	emca = "emca"

	plain = "default" // the endpoint without a name
)

// The types of their events.
const (
	ping   = "ping"
	pong   = "pong"
	marker = "marker" // every handler has a callback for it: see runMarkers
)

type event struct {
	webhook.Event `json:"@event"`

	N int `json:"n"`
}

var eventTypes = map[string]webhook.EventType[event]{
	ping: webhook.NewEventType[event](ping), pong: webhook.NewEventType[event](pong), marker: webhook.NewEventType[event](marker),
}

const (
	signatureHeader = "X-Test-Signature"
	traceHeader     = "X-Test-Trace"
	signingKey      = "a-key-that-must-not-be-stored"
)

func (c *check) profile(vendor string) vendors.Profile {
	return vendors.Profile{
		Name:      vendor,
		Scheme:    &signature.Scheme{Header: signatureHeader, Forms: []signature.Form{{Name: "body"}}},
		Envelope:  vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"id"}, Time: []string{"time"}, Data: []string{"data"}},
		DedupKeys: vendors.ByEventID,
		Headers:   []string{"Content-Type", traceHeader},
		// This is long, because the suite does not test slow machines.
		RespondWithin: 2 * c.Patience,
		RetryWindow:   time.Minute,
		Events:        []vendors.EventType{eventTypes[ping], eventTypes[pong], eventTypes[marker]},
	}
}

// A handler is the handler of one vendor at one endpoint in one process.
type handler struct {
	*webhook.Handler
	c      *check
	sender *webhooktest.Sender

	mu   sync.Mutex
	seen []webhook.Observation
}

// handler returns a handler with the inbox of s and the store of the case.
func (s *process) handler(vendor, endpoint string) *handler {
	s.c.Helper()
	return s.handlerWithStore(vendor, endpoint, s.c.storeFor(s.box))
}

// handlerWithStore is handler with another store. If it is nil, the handler uses the inbox's store.
func (s *process) handlerWithStore(vendor, endpoint string, store idempotency.Store) *handler {
	c := s.c
	c.Helper()
	key := signature.NewKey("blue", signingKey)
	h := &handler{c: c}
	v := webhooktest.Vendor{Profile: c.profile(vendor)}
	handler, err := webhook.NewHandler(v.Profile, vendors.HandlerConfig{Endpoint: endpoint, Keys: []signature.Key{key}}, &webhook.Options{
		Inbox:           s.box,
		Store:           store,
		Logger:          slog.New(slog.DiscardHandler),
		StoreTimeout:    c.Patience,
		CallbackTimeout: max(webhook.DefaultCallbackTimeout, 2*c.Patience),
		Observer:        h.observe,
	})
	if err != nil {
		c.brokenf("a handler with the inbox could not be built: %v", err)
	}
	h.Handler = handler
	h.sender = v.NewSender(c, handler, signingKey).WithPath("/hooks/token-in-the-path?token=token-in-the-query")
	return h.on(marker, func(context.Context, *webhook.Delivery) error { return nil })
}

// on registers a callback. The case records its calls.
func (h *handler) on(eventType string, callback callback) *handler {
	eventTypes[eventType].On(h.Handler, func(ctx context.Context, e *event) error {
		return h.c.calls.record(ctx, e.Delivery(), callback)
	})
	return h
}

// A callback is that of a handler. It runs on a goroutine of the engine, where it must not end the test.
type callback func(ctx context.Context, d *webhook.Delivery) error

func succeed(context.Context, *webhook.Delivery) error { return nil }

func (h *handler) observe(_ context.Context, o webhook.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, o)
}

// outcomes returns the outcomes of a stored delivery so far, one for each run.
func (h *handler) outcomes(id string) []webhook.Outcome {
	h.mu.Lock()
	defer h.mu.Unlock()
	var outcomes []webhook.Outcome
	for _, o := range h.seen {
		if o.ID == id && o.Outcome != webhook.Stored {
			outcomes = append(outcomes, o.Outcome)
		}
	}
	return outcomes
}

// awaitOutcomes waits until the handler has run a delivery n times, and no more.
func (c *check) awaitOutcomes(h *handler, id string, n int) {
	c.Helper()
	c.awaitf(func() bool { return len(h.outcomes(id)) >= n }, func() any { return h.outcomes(id) }, "%q had not run %d times", id, n)
	if got := h.outcomes(id); len(got) > n {
		c.brokenf("%q had run %d times rather than %d: %v", id, len(got), n, got)
	}
}

// sent is the time in the bodies.
var sent = time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)

func body(eventType, id string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"id":%q,"time":%d,"data":{"n":7}}`, eventType, id, sent.Unix())
}

// undecodable returns the body of a ping that does not fit its type: its data is not an object.
func undecodable(id string) []byte {
	return bytes.Replace(body(ping, id), []byte(`{"n":7}`), []byte(`"seven"`), 1)
}

// send delivers an event of that type, which must be accepted, and reports whether it was a duplicate.
func (h *handler) send(eventType, id string) (duplicate bool) {
	h.c.Helper()
	duplicate, _ = h.post(body(eventType, id))
	return duplicate
}

// sendNew delivers events that must not be stored yet.
func (h *handler) sendNew(eventType string, ids ...string) {
	h.c.Helper()
	for _, id := range ids {
		if h.send(eventType, id) {
			h.c.brokenf("the new delivery %q was reported as a duplicate", id)
		}
	}
}

// post delivers a signed body, and returns whether it was a duplicate, and the delivery.
func (h *handler) post(body []byte) (duplicate bool, d *webhook.Delivery) {
	h.c.Helper()
	result, tries := h.sender.Process(h.delivery(body)), 1
	for ; tries < 10 && result.Outcome == webhook.Unavailable; tries++ { // on a slow machine; a vendor would send it again too
		result = h.sender.Process(h.delivery(body))
	}
	if result.Outcome != webhook.Stored {
		h.c.brokenf("a delivery was not stored: %s, %v", result.Outcome, result.Err)
	}
	return tries == 1 && result.Reason == webhook.ReasonStoredBefore, result.Delivery
}

// postRequest delivers a body in a request with secrets that must not be stored. The status must be 200.
func (h *handler) postRequest(body []byte) {
	h.c.Helper()
	d := h.delivery(body)
	for name, value := range secretHeaders {
		d.Header.Set(name, value)
	}
	if response := h.sender.Send(d); response.Status != http.StatusOK {
		h.c.brokenf("the response to a delivery was %d %s", response.Status, response.Body)
	}
}

// secretHeaders are headers that no vendor's page names.
var secretHeaders = map[string]string{
	"Authorization": "Bearer secret-in-a-header", "Cookie": "session=secret-in-a-header", "X-Api-Key": "secret-in-a-header",
}

func (h *handler) delivery(body []byte) *webhooktest.Delivery {
	d := h.sender.Raw(body)
	d.Header = http.Header{traceHeader: {"trace \u00e9 \"1\""}}
	return d
}

// deliveryOf returns a delivery as a handler would make it, to be passed directly to an inbox.
func deliveryOf(vendor, endpoint, eventType, id string) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: vendor, Endpoint: endpoint, Type: eventType, ID: id, EventID: id,
		Time: sent, ReceivedAt: sent.Add(time.Second), SignedBy: "blue", Form: "body",
		Keys: []string{fmt.Sprintf("%s/%s/id/%s/%s", vendor, endpoint, eventType, id)}, Body: body(eventType, id),
	}
}
