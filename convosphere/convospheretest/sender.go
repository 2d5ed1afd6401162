package convospheretest

import (
	"net/http"
	"testing"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// NewSender returns Convosphere as tests have it: it delivers to h, a handler or a whole router, on connections in memory, to the
// path /webhooks/convosphere unless it is told otherwise. The secret is the one that the handler was given.
func NewSender(t testing.TB, h http.Handler, secret string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSender(t, h, secret)
}

// NewSenderTo returns Convosphere as NewSender does, delivering to a URL.
func NewSenderTo(t testing.TB, url, secret string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSenderTo(t, url, secret)
}
