package workfluxtest_test

import (
	"context"
	"testing"

	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A test sends an event of its choice to the handler, signed as the vendor does.
func ExampleNewSender() {
	test := func(t *testing.T) {
		hook, err := workflux.NewHandler("a secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })

		sender := workfluxtest.NewSender(t, hook, "a secret")
		sender.SendTwice(sender.Event(&workflux.UserMessage{})).WantOK() // a duplicate gets 200 as well
		sender.SendForged(sender.Sample("user.message")).Want(401)
	}
	_ = test // go test calls a function like this one
	// Output:
}
