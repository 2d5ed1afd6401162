package standardwebhookstest

import (
	"net/http"
	"testing"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// NewSender returns a sender that delivers to h as a sender of Standard Webhooks does. h is a handler or a router. The connections are in
// memory. The path is /webhooks/standardwebhooks unless WithPath changes it. The secret is the handler's.
func NewSender(t testing.TB, h http.Handler, secret string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSender(t, h, secret)
}

// NewSenderTo returns a sender that delivers to a URL as a sender of Standard Webhooks does.
func NewSenderTo(t testing.TB, url, secret string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSenderTo(t, url, secret)
}
