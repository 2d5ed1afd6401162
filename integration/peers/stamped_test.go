package peers_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
)

// This file has the peers whose MAC also covers a time. They have a window of five minutes.

// ofStripe maps the vectors of "timestamp.body". Every value of a header becomes an element of Stripe's header.
func ofStripe(f *file, v *vector) (*delivery, bool) {
	d := &delivery{secret: v.Keys[0].Secret, body: v.Body(), timed: v.Now != nil}
	var elements []string
	for _, element := range []struct{ header, key string }{{f.Window.Header, "t="}, {f.Scheme.Header, "v1="}} {
		for _, value := range v.Header()[element.header] {
			if strings.ContainsAny(value, ",=") {
				return nil, false // would have another meaning in Stripe's header
			}
			elements = append(elements, element.key+value)
		}
	}
	d.signatures = []string{strings.Join(elements, ",")}
	return d, true
}

func stripe(t *testing.T, d *delivery) error {
	t.Helper()
	if d.timed {
		return webhook.ValidatePayload(d.body, d.signatures[0], d.secret)
	}
	return webhook.ValidatePayloadIgnoringTolerance(d.body, d.signatures[0], d.secret)
}

// ofStandard maps the vectors of "delivery.timestamp.body". It converts the MAC from hex to base64.
func ofStandard(f *file, v *vector) (*delivery, bool) {
	d := &delivery{secret: v.Keys[0].Secret, body: v.Body(), timed: v.Now != nil, header: http.Header{}}
	h := v.Header()
	for _, value := range h[f.Scheme.Header] {
		mac, err := hex.DecodeString(value)
		if err != nil || strings.ToLower(value) != value || value == "" {
			return nil, false // base64 has no equivalent
		}
		d.header.Add("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac))
	}
	for ours, theirs := range map[string]string{f.Window.Header: "Webhook-Timestamp", headerDelivery: "Webhook-Id"} {
		for _, value := range h[ours] {
			d.header.Add(theirs, value)
		}
	}
	return d, true
}

// A standardVerifier has the methods of both libraries.
type standardVerifier interface {
	Verify(payload []byte, headers http.Header) error
	VerifyIgnoringTimestamp(payload []byte, headers http.Header) error
}

func standard[V standardVerifier](newWebhook func(secret string) (V, error)) func(*testing.T, *delivery) error {
	return func(t *testing.T, d *delivery) error {
		t.Helper()
		v, err := newWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(d.secret)))
		if err != nil {
			return err
		}
		if d.timed {
			return v.Verify(d.body, d.header)
		}
		return v.VerifyIgnoringTimestamp(d.body, d.header)
	}
}

var (
	standardWebhooks = standard(standardwebhooks.NewWebhook)
	svixWebhooks     = standard(svix.NewWebhook)
)
