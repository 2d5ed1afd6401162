// Package vendortest has handlers of every vendor, and senders to them, for tests.
package vendortest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/test/lossless"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Secret is the secret of the kits that [All] returns.
const Secret = "a-secret-for-tests-0123456789"

// A Kit has a vendor, and the secret that its handlers and senders share.
type Kit struct {
	*allvendors.Vendor
	Secret string
}

// New returns the kit of the vendor with that name.
func New(vendor, secret string) *Kit {
	v, err := allvendors.Find(vendor)
	if err != nil {
		panic(err)
	}
	return &Kit{v, secret}
}

// All returns the kits of all vendors.
func All() []*Kit {
	var kits []*Kit
	for _, name := range allvendors.Names() {
		kits = append(kits, New(name, Secret))
	}
	return kits
}

// New returns a handler.
func (k *Kit) New(o *webhook.Options) (webhook.VendorHandler, error) {
	return k.NewHandler(k.Secret, o)
}

// Key returns the default key of the handlers.
func (k *Kit) Key() signature.Key { return signature.NewKey("default", k.Secret) }

// Signer returns a signer with the default key.
func (k *Kit) Signer() *webhooktest.Signer {
	return k.Vendor.Signer("http://receiver.test/webhooks/"+k.Name(), k.Key())
}

// Handler returns a handler without callbacks that logs nothing.
func (k *Kit) Handler(t testing.TB) webhook.VendorHandler {
	t.Helper()
	h, err := k.New(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return h
}

// Sender returns a sender to h.
func (k *Kit) Sender(t testing.TB, h http.Handler) *webhooktest.Sender {
	t.Helper()
	return k.NewSender(t, h, k.Secret)
}

// Send sends body unchanged, signed now.
func (k *Kit) Send(t testing.TB, h http.Handler, body []byte) webhook.Result {
	t.Helper()
	sender := k.Sender(t, h)
	return sender.Process(sender.Raw(body))
}

// Receive sends body to a handler with a callback for every type, and returns the event that the callback gets. It fails
// the test if the event has lost any part of the body.
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

// Sample returns the body of the sample of that name, with its id and with a fresh date.
func (k *Kit) Sample(t testing.TB, name string) []byte {
	t.Helper()
	for _, s := range k.Samples {
		if s.Name == name {
			return k.fresh(s.Body)
		}
	}
	require.Fail(t, "the vendor has no sample "+name)
	return nil
}

// Dated returns body with that date.
func (k *Kit) Dated(body []byte, at time.Time) []byte {
	return (&webhooktest.Signer{Profile: k.Profile}).Stamp(body, at)
}

// fresh returns body. If the date in the body is checked against the window, it sets that date to now.
func (k *Kit) fresh(body []byte) []byte {
	if k.Profile.Window == 0 || k.Profile.TimeField != "" {
		return body
	}
	return k.Dated(body, time.Now())
}

// Change returns body after edit has changed it. The argument data has the event's fields. It is body itself if they are at
// the top of the body.
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
