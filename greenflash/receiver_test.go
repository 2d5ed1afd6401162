package greenflash_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const secret = vendortest.Secret

var (
	vendor   = vendortest.New("greenflash", secret)
	key      = vendor.Key()
	allForms = []greenflash.Form{greenflash.FormTimestamp, greenflash.FormDelivery, greenflash.FormBody}
)

// A receiver is a handler with a callback for every type, and a sender that acts as Greenflash.
type receiver struct {
	*greenflash.Handler
	vendortest.Recorder
	t      testing.TB
	sender *webhooktest.Sender
}

func newReceiver(t testing.TB, c greenflash.Config) *receiver {
	t.Helper()
	c.Keys = []signature.Key{key}
	h, err := c.NewHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := &receiver{Handler: h, t: t, sender: vendor.Sender(t, h)}
	h.OnEvent(r.Callback)
	return r
}

// runs returns how many callbacks have run.
func (r *receiver) runs() int { return len(r.Events()) }

// A message is a delivery as an attacker can capture it.
type message struct {
	header http.Header
	body   []byte
}

// sent returns the message that Greenflash sends at t.
func (r *receiver) sent(form greenflash.Form, body string, t time.Time, id string) message {
	r.t.Helper()
	sender := r.sender.WithForm(string(form)).WithClock(time.Until(t))
	d := sender.Raw([]byte(body))
	d.ID = id
	return message{sender.Request(d).Header, d.Body}
}

// signed returns the message that Greenflash would send with the given timestamp header.
func (r *receiver) signed(form greenflash.Form, body, timestamp, id string) message {
	r.t.Helper()
	header := http.Header{"X-Greenflash-Timestamp": {timestamp}, "X-Greenflash-Delivery": {id}}
	require.NoError(r.t, vendor.Profile.Scheme.Sign(key, string(form), header, []byte(body)))
	return message{header, []byte(body)}
}

// with returns the message with one header changed. Without values, the header is removed.
func (m message) with(name string, values ...string) message {
	header := m.header.Clone()
	if len(values) == 0 {
		delete(header, name)
	} else {
		header[name] = values
	}
	return message{header, m.body}
}

func (r *receiver) receive(m message) webhook.Result {
	r.t.Helper()
	return r.Process(r.t.Context(), webhook.Request{
		Header: m.header.Clone(), Body: bytes.NewReader(m.body), ContentLength: int64(len(m.body)),
	})
}

func forEachForm(t *testing.T, f func(t *testing.T, form greenflash.Form)) {
	t.Helper()
	for _, form := range allForms {
		t.Run(string(form), func(t *testing.T) {
			kit.OnADay(t, func(t *testing.T) { f(t, form) })
		})
	}
}
