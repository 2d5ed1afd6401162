package emberqatest

import (
	"net/http"
	"testing"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// NewSender returns a sender that delivers to h as EmberQA does. h is a handler or a router. The connections are in
// memory. The path is /webhooks/emberqa unless WithPath changes it. The token is the handler's. With a blank token the
// URL stays unchanged, for a handler with HTTP Basic or without authentication.
func NewSender(t testing.TB, h http.Handler, token string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSender(t, h, token)
}

// NewSenderTo returns a sender that delivers to a URL as EmberQA does.
func NewSenderTo(t testing.TB, url, token string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSenderTo(t, url, token)
}
