package convospheretest_test

import (
	"context"
	"testing"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
)

// A test sends an event of its choice to the handler, signed as the vendor does.
func ExampleNewSender() {
	test := func(t *testing.T) {
		hook, err := convosphere.NewHandler("a secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		hook.OnMessageCreated(func(context.Context, *convosphere.MessageCreated) error { return nil })

		sender := convospheretest.NewSender(t, hook, "a secret")
		sender.SendTwice(sender.Event(&convosphere.MessageCreated{})).WantOK() // a duplicate gets 200 as well
		sender.SendForged(sender.Sample("message.created")).Want(401)
	}
	_ = test // go test calls a function like this one
	// Output:
}
