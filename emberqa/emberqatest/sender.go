package emberqatest

import (
	"net/http"
	"testing"

	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// NewSender returns EmberQA as tests have it: it delivers to h, a handler or a whole router, on connections in memory, to the
// path /webhooks/emberqa unless it is told otherwise. The token is the one that the handler was given; a blank one leaves the URL alone, for a handler with HTTP Basic or none.
func NewSender(t testing.TB, h http.Handler, token string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSender(t, h, token)
}

// NewSenderTo returns EmberQA as NewSender does, delivering to a URL.
func NewSenderTo(t testing.TB, url, token string) *webhooktest.Sender {
	t.Helper()
	v := Vendor()
	return v.NewSenderTo(t, url, token)
}
