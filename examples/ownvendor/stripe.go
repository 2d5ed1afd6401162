package ownvendor

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Stripe describes Stripe. See https://docs.stripe.com/webhooks. It signs each attempt with a new time.
func Stripe() vendors.Profile {
	return vendors.Profile{
		Name: "stripe",
		Scheme: &signature.Scheme{
			Header:    "Stripe-Signature",
			Separator: ",",
			Versions:  []signature.Version{{Prefix: "v1="}},
			Forms:     []signature.Form{{Name: "t.body", Signs: "{t}.{body}"}},
			Fields:    []signature.Field{{Element: "t", Grammar: signature.UnixTime, Required: true}},
		},
		Envelope:      vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"id"}, Time: []string{"created"}, Data: []string{"data"}},
		DedupKeys:     vendors.ByEventID,
		TimeField:     "t",
		Window:        5 * time.Minute,
		RespondWithin: 10 * time.Second, // the page says "quickly"
		RetryWindow:   3 * 24 * time.Hour,
		Events:        []vendors.EventType{invoicePaid},
	}
}

// An InvoicePaid is Stripe's invoice.paid.
type InvoicePaid struct {
	webhook.Event
	Object struct {
		Customer   string      `json:"customer"`
		AmountPaid json.Number `json:"amount_paid"`
	} `json:"object"`
}

var invoicePaid = webhook.NewEventType[InvoicePaid]("invoice.paid")

// NewStripe returns a handler for paid invoices. The secret begins with whsec_, which is part of it.
func NewStripe(secret string, onPaid func(context.Context, *InvoicePaid) error, o *webhook.Options) (*webhook.Handler, error) {
	h, err := webhook.NewHandler(Stripe(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", secret)}}, o)
	if err != nil {
		return nil, err
	}
	invoicePaid.On(h, onPaid)
	return h, nil
}
