package emberqa_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

const (
	token = "q3v9TzKx7LwY2mNp"
	hooks = "https://receiver.test/webhooks/emberqa/"
)

var vendor = vendortest.New("emberqa", token)

// A receiver is a handler with a callback for every type, and a sender that acts as EmberQA.
type receiver struct {
	*emberqa.Handler
	vendortest.Recorder
	t   testing.TB
	log bytes.Buffer
}

func newReceiver(t testing.TB, credentials ...emberqa.Credential) *receiver {
	t.Helper()
	if len(credentials) == 0 {
		credentials = []emberqa.Credential{emberqa.Token(token)}
	}
	r := &receiver{t: t}
	logger := slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := emberqa.Config{Credentials: credentials}.NewHandler(&webhook.Options{Logger: logger})
	require.NoError(t, err)
	r.Handler = h
	h.OnEvent(r.Callback)
	return r
}

// receive delivers body to the URL with the credential.
func (r *receiver) receive(body string) webhook.Result {
	r.t.Helper()
	return vendor.Send(r.t, r, []byte(body))
}

func (r *receiver) receiveAt(address string, header http.Header, body string) webhook.Result {
	r.t.Helper()
	u, err := url.Parse(address)
	require.NoError(r.t, err)
	return r.Process(r.t.Context(), webhook.Request{URL: u, Header: header, Body: bytes.NewReader([]byte(body))})
}
