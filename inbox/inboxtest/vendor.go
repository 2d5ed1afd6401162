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

// The vendors of the suite are data. They sign their bodies, and name their deliveries by the id therein.
const (
	acme = "acme"
	emca = "emca"

	plain = "default" // the endpoint without a name
)

// The types of their events.
const (
	ping   = "ping"
	pong   = "pong"
	marker = "marker" // which every handler has a callback for; see overtake
)

type event struct {
	webhook.Event `json:"@event"`

	N int `json:"n"`
}

var kinds = map[string]webhook.EventType[event]{
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
		// It is in no hurry: a slow machine is not what is tested.
		RespondWithin: 2 * c.Patience,
		RetryWindow:   time.Minute,
		Events:        []vendors.EventType{kinds[ping], kinds[pong], kinds[marker]},
	}
}

// A hook is the handler of one vendor at one endpoint in one process.
type hook struct {
	*webhook.Handler
	c      *check
	sender *webhooktest.Sender

	mu   sync.Mutex
	seen []webhook.Observation
}

// handler returns a handler that gives its deliveries to the inbox of s, with the store of the case.
func (s *site) handler(vendor, endpoint string) *hook {
	s.c.Helper()
	return s.guarded(vendor, endpoint, s.c.storeFor(s.box))
}

// guarded is handler with a store of its own; nil is the inbox's.
func (s *site) guarded(vendor, endpoint string, store idempotency.Store) *hook {
	c := s.c
	c.Helper()
	key := signature.NewKey("blue", signingKey)
	h := &hook{c: c}
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

// on registers a callback, all calls of which are recorded in the case.
func (h *hook) on(eventType string, callback callback) *hook {
	kinds[eventType].On(h.Handler, func(ctx context.Context, e *event) error {
		return h.c.calls.record(ctx, e.Delivery(), callback)
	})
	return h
}

// A callback is a handler's. It runs on a goroutine of the engine's, where it must not end the test.
type callback func(ctx context.Context, d *webhook.Delivery) error

func succeed(context.Context, *webhook.Delivery) error { return nil }

func (h *hook) observe(_ context.Context, o webhook.Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, o)
}

// outcomes returns what the handler has made of a delivery so far, each time it was given it out of the inbox.
func (h *hook) outcomes(id string) []webhook.Outcome {
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

// awaitOutcomes waits until the handler has been given a delivery n times, and no more.
func (c *check) awaitOutcomes(h *hook, id string, n int) {
	c.Helper()
	c.awaitf(func() bool { return len(h.outcomes(id)) >= n }, func() any { return h.outcomes(id) }, "%q had not been tried %d times", id, n)
	if got := h.outcomes(id); len(got) > n {
		c.brokenf("%q had been tried %d times rather than %d: %v", id, len(got), n, got)
	}
}

// sent is the time in the bodies.
var sent = time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)

func body(eventType, id string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"id":%q,"time":%d,"data":{"n":7}}`, eventType, id, sent.Unix())
}

// misfit is the body of a ping that does not fit its type: its data is not an object.
func misfit(id string) []byte {
	return bytes.Replace(body(ping, id), []byte(`{"n":7}`), []byte(`"seven"`), 1)
}

// send delivers an event of that type, which must be accepted, and tells whether it was there already.
func (h *hook) send(eventType, id string) (duplicate bool) {
	h.c.Helper()
	duplicate, _ = h.post(body(eventType, id))
	return duplicate
}

// sendNew delivers events that must not be there yet.
func (h *hook) sendNew(eventType string, ids ...string) {
	h.c.Helper()
	for _, id := range ids {
		if h.send(eventType, id) {
			h.c.brokenf("the new delivery %q was taken for a duplicate", id)
		}
	}
}

// post delivers a body, signed, and returns what the handler has made of it.
func (h *hook) post(body []byte) (duplicate bool, d *webhook.Delivery) {
	h.c.Helper()
	result, tries := h.sender.Process(h.delivery(body)), 1
	for ; tries < 10 && result.Outcome == webhook.Unavailable; tries++ { // the machine is slow, and the vendor sends it again
		result = h.sender.Process(h.delivery(body))
	}
	if result.Outcome != webhook.Stored {
		h.c.brokenf("a delivery was not stored: %s, %v", result.Outcome, result.Err)
	}
	return tries == 1 && result.Reason == webhook.ReasonStoredBefore, result.Delivery
}

// postOnSocket delivers a body as a server would, with all that must not be stored, and must be answered 200.
func (h *hook) postOnSocket(body []byte) {
	h.c.Helper()
	d := h.delivery(body)
	for name, value := range secretHeaders {
		d.Header.Set(name, value)
	}
	if answer := h.sender.Send(d); answer.Status != http.StatusOK {
		h.c.brokenf("a delivery was answered %d %s", answer.Status, answer.Body)
	}
}

// secretHeaders are headers that no vendor's page names.
var secretHeaders = map[string]string{
	"Authorization": "Bearer secret-in-a-header", "Cookie": "session=secret-in-a-header", "X-Api-Key": "secret-in-a-header",
}

func (h *hook) delivery(body []byte) *webhooktest.Delivery {
	d := h.sender.Raw(body)
	d.Header = http.Header{traceHeader: {"trace \u00e9 \"1\""}}
	return d
}

// deliveryOf is a delivery as a handler makes it, for what goes into an inbox directly.
func deliveryOf(vendor, endpoint, eventType, id string) *webhook.Delivery {
	return &webhook.Delivery{
		Vendor: vendor, Endpoint: endpoint, Type: eventType, ID: id, EventID: id,
		Time: sent, ReceivedAt: sent.Add(time.Second), SignedBy: "blue", Form: "body",
		Keys: []string{fmt.Sprintf("%s/%s/id/%s/%s", vendor, endpoint, eventType, id)}, Body: body(eventType, id),
	}
}
