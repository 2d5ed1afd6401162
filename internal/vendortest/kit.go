// Package vendortest is both ends of a vendor's webhook, for the tests of its package: handlers, and the vendor that
// sends to them. It knows no vendor.
package vendortest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/lossless"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Handler is what every vendor's own handler can do, beside its On methods.
type Handler interface {
	http.Handler
	Process(ctx context.Context, r webhook.Request) webhook.Result
	Explain(r webhook.Request, now time.Time) signature.Explanation
	OnEach(fn func(context.Context, webhook.AnyEvent) error)
	OnAny(fn func(context.Context, *webhook.Delivery) error)
	OnUnhandled(fn func(context.Context, *webhook.Delivery) error)
	Shutdown(ctx context.Context) error
}

// A Kit is one vendor: how it sends, what it sends, and how its handlers are made.
type Kit struct {
	Sender  webhooktest.Signer
	Samples []webhooktest.Sample
	New     func(o *webhook.Options) (Handler, error)
}

// Handler returns a handler without callbacks that logs nothing.
func (k *Kit) Handler(t testing.TB) Handler {
	t.Helper()
	h, err := k.New(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return h
}

// Send delivers body, signed now and as it is.
func (k *Kit) Send(t testing.TB, h Handler, body []byte) webhook.Result {
	t.Helper()
	return k.SendAt(t, h, body, time.Now())
}

// SendAt delivers body, signed at that time.
func (k *Kit) SendAt(t testing.TB, h Handler, body []byte, at time.Time) webhook.Result {
	t.Helper()
	r, err := k.Sender.Request(body, at, "delivery-1")
	require.NoError(t, err)
	return h.Process(t.Context(), webhook.Request{URL: r.URL, Header: r.Header, Body: r.Body})
}

// Receive delivers body to a handler that has every callback, and returns the event that one of them is given. Nothing
// of the body may be lost in it.
func (k *Kit) Receive(t testing.TB, body []byte) webhook.AnyEvent {
	t.Helper()
	var r Recorder
	h := k.Handler(t)
	h.OnEach(r.Callback)
	body = k.fresh(body)
	result := k.Send(t, h, body)
	require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)
	require.Len(t, r.Events(), 1)
	e := r.Events()[0]
	lossless.Check(t, k.Sender.Profile.Envelope, body, e, e.Unknown())
	return e
}

// Sample returns the sample of that name, such as would be taken now.
func (k *Kit) Sample(t testing.TB, name string) []byte {
	t.Helper()
	for _, s := range k.Samples {
		if s.Name == name {
			return k.fresh(s.Body)
		}
	}
	require.Fail(t, "no sample", name)
	return nil
}

// fresh returns body, dated now if it is by the date in the body that a delivery is too old.
func (k *Kit) fresh(body []byte) []byte {
	if k.Sender.Profile.Window == 0 || k.Sender.Profile.TimeHeader != "" {
		return body
	}
	return k.Sender.Stamp(body, time.Now())
}

// Change returns body as edit leaves it. The event's own fields are in data, which is body itself where the vendor has
// them at the top.
func (k *Kit) Change(t testing.TB, body []byte, edit func(body, data map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	data := m
	for _, name := range k.Sender.Profile.Envelope.Data {
		if inner, ok := m[name].(map[string]any); ok {
			data = inner
		}
	}
	edit(m, data)
	changed, err := json.Marshal(m)
	require.NoError(t, err)
	return changed
}
