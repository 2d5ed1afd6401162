package standardwebhookstest_test

import (
	"context"
	"testing"

	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/standardwebhooks/standardwebhookstest"
	"github.com/aihooks/aihooks-go/webhook"
)

// An invoice is what your sender documents.
type invoice struct {
	Number string `json:"number"`
}

// A test sends an event of its choice to the handler, signed as the sender does.
func ExampleNewSender() {
	test := func(t *testing.T) {
		const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		hook, err := standardwebhooks.NewHandler(secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		standardwebhooks.On(hook, "invoice.paid", func(context.Context, *standardwebhooks.Event[invoice]) error { return nil })

		sender := standardwebhookstest.NewSender(t, hook, secret)
		paid := &standardwebhooks.Event[invoice]{Event: webhook.Event{Type: "invoice.paid"}, Data: invoice{Number: "R-7"}}
		sender.SendTwice(sender.Event(paid)).WantOK() // a duplicate gets 200 as well
		sender.SendForged(sender.Sample("contact.created")).Want(401)
	}
	_ = test // go test calls a function like this one
	// Output:
}
