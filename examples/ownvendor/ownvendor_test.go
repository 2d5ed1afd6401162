package ownvendor_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/examples/ownvendor"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const secret = "whsec_a-secret-in-a-test"

func quiet() *webhook.Options { return &webhook.Options{Logger: slog.New(slog.DiscardHandler)} }

func TestGitHub_RunsPushOnce(t *testing.T) {
	var got []*ownvendor.Push
	hook, err := ownvendor.NewGitHub(secret, func(_ context.Context, e *ownvendor.Push) error { got = append(got, e); return nil }, quiet())
	require.NoError(t, err)
	v := webhooktest.Vendor{Profile: ownvendor.GitHub()}
	sender := v.NewSender(t, hook, secret)
	d := sender.Event(&ownvendor.Push{Ref: "refs/heads/main"})
	sender.SendTwice(d).WantOK()
	require.Len(t, got, 1)
	require.Equal(t, "refs/heads/main", got[0].Ref)
	require.Equal(t, "push", got[0].Type)
	sender.SendForged(sender.Event(&ownvendor.Push{})).Want(http.StatusUnauthorized)

	// The event's type is not signed. A capture does not run again as another type.
	d.Header = http.Header{"X-Github-Event": {"delete"}}
	sender.Send(d).WantOK()
	d.Header = http.Header{"X-Github-Event": {"push"}}
	sender.Send(d).WantOK()
	require.Len(t, got, 1)
}

func TestStripe_RunsInvoiceOnce(t *testing.T) {
	var got []*ownvendor.InvoicePaid
	hook, err := ownvendor.NewStripe(secret, func(_ context.Context, e *ownvendor.InvoicePaid) error { got = append(got, e); return nil }, quiet())
	require.NoError(t, err)
	v := webhooktest.Vendor{Profile: ownvendor.Stripe()}
	sender := v.NewSender(t, hook, secret)
	paid := new(ownvendor.InvoicePaid)
	paid.Object.Customer, paid.Object.AmountPaid = "cus_1", "250"
	sender.SendTwice(sender.Event(paid)).WantOK()
	require.Len(t, got, 1)
	require.Equal(t, paid.Object, got[0].Object)
	sender.SendForged(sender.Event(paid)).Want(http.StatusUnauthorized)
	sender.SendTampered(sender.Event(paid)).Want(http.StatusUnauthorized)
}

func TestSlack_RunsEventOnce(t *testing.T) {
	var got []*ownvendor.EventCallback
	hook, err := ownvendor.NewSlack(secret, func(_ context.Context, e *ownvendor.EventCallback) error { got = append(got, e); return nil }, quiet())
	require.NoError(t, err)
	v := webhooktest.Vendor{Profile: ownvendor.Slack()}
	sender := v.NewSender(t, hook, secret)
	sender.SendTwice(sender.Event(&ownvendor.EventCallback{Kind: "app_mention", Text: "hello"})).WantOK()
	require.Len(t, got, 1)
	require.Equal(t, "app_mention", got[0].Kind)
	sender.SendForged(sender.Event(&ownvendor.EventCallback{})).Want(http.StatusUnauthorized)
}

// The causes come from the scheme.
func TestStripe_ExplainsRefusals(t *testing.T) {
	hook, err := ownvendor.NewStripe(secret+"\n", func(context.Context, *ownvendor.InvoicePaid) error { return nil }, quiet())
	require.NoError(t, err)
	v := webhooktest.Vendor{Profile: ownvendor.Stripe()}
	const body = `{"type":"invoice.paid","id":"evt_1","data":{"object":{}}}`
	sender := v.NewSender(t, hook, secret)
	request := sender.Request(&webhooktest.Delivery{ID: "evt_1", Type: "invoice.paid", Body: []byte(body)})
	explain := func(header http.Header, body string) diagnose.Explanation {
		return hook.Explain(webhook.Request{Header: header, Body: strings.NewReader(body)}, time.Now())
	}
	require.Equal(t, diagnose.SecretWhitespace, explain(request.Header, body).Cause)
	bare := request.Header.Clone()
	bare.Set("Stripe-Signature", "v1="+strings.Repeat("0", 64))
	require.Equal(t, diagnose.HeaderMissing, explain(bare, body).Cause)
	require.Contains(t, explain(bare, body).Text, "element t of the header Stripe-Signature")
}

// The schemes are those that signature's tests check against the senders' documentation, and integration/peers against the
// senders' Go libraries.
func TestProfiles_HaveCheckedSchemes(t *testing.T) {
	require.Equal(t, signtest.GitHubScheme(), *ownvendor.GitHub().Scheme)
	require.Equal(t, signtest.StripeScheme(), *ownvendor.Stripe().Scheme)
	require.Equal(t, signtest.SlackScheme(), *ownvendor.Slack().Scheme)
}
