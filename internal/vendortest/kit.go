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
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Handler is what every vendor's own handler can do, beside its On methods.
type Handler interface {
	http.Handler
	Process(ctx context.Context, r webhook.Request) webhook.Result
	Explain(r webhook.Request, now time.Time) diagnose.Explanation
	OnEvent(fn func(context.Context, webhook.AnyEvent) error)
	Before(fn func(context.Context, *webhook.Delivery) error)
	OnUnhandled(fn func(context.Context, *webhook.Delivery) error)
	Shutdown(ctx context.Context) error
}

// A Kit is one vendor, and how its handlers are made.
type Kit struct {
	webhooktest.Vendor

	// Secret is what the handlers are given.
	Secret string

	New func(o *webhook.Options) (Handler, error)
}

// Handler returns a handler without callbacks that logs nothing.
func (k *Kit) Handler(t testing.TB) Handler {
	t.Helper()
	h, err := k.New(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return h
}

// Sender returns the vendor, which delivers to h.
func (k *Kit) Sender(t testing.TB, h http.Handler) *webhooktest.Sender {
	t.Helper()
	return k.NewSender(t, h, k.Secret)
}

// Send delivers body, signed now and as it is.
func (k *Kit) Send(t testing.TB, h http.Handler, body []byte) webhook.Result {
	t.Helper()
	sender := k.Sender(t, h)
	return sender.Process(sender.Raw(body))
}

// Receive delivers body to a handler that has every callback, and returns the event that one of them is given. Nothing
// of the body may be lost in it.
func (k *Kit) Receive(t testing.TB, body []byte) webhook.AnyEvent {
	t.Helper()
	var r Recorder
	h := k.Handler(t)
	h.OnEvent(r.Callback)
	body = k.fresh(body)
	result := k.Send(t, h, body)
	require.Equal(t, webhook.Handled, result.Outcome, "%v", result.Err)
	require.Len(t, r.Events(), 1)
	e := r.Events()[0]
	lossless.Check(t, k.Profile.Envelope, body, e, e.Unknown())
	return e
}

// Sample returns the body of the sample of that name with the id that it has, such as would be taken now.
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

// Dated returns body with that date.
func (k *Kit) Dated(body []byte, at time.Time) []byte {
	return (&webhooktest.Signer{Profile: k.Profile}).Stamp(body, at)
}

// fresh returns body, dated now if it is by the date in the body that a delivery is too old.
func (k *Kit) fresh(body []byte) []byte {
	if k.Profile.Window == 0 || k.Profile.TimeHeader != "" {
		return body
	}
	return k.Dated(body, time.Now())
}

// Change returns body as edit leaves it. The event's own fields are in data, which is body itself where the vendor has
// them at the top.
func (k *Kit) Change(t testing.TB, body []byte, edit func(body, data map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	data := m
	for _, name := range k.Profile.Envelope.Data {
		if inner, ok := m[name].(map[string]any); ok {
			data = inner
		}
	}
	edit(m, data)
	changed, err := json.Marshal(m)
	require.NoError(t, err)
	return changed
}
