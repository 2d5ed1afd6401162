package emberqatest_test

import (
	"context"
	"testing"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
)

// A test sends an event of its choice to the handler, with the credential that EmberQA has.
func ExampleNewSender() {
	test := func(t *testing.T) {
		const token = "a-token-of-enough-length"
		hook, err := emberqa.NewHandler(emberqa.Token(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		hook.OnRedFlag(func(context.Context, *emberqa.RedFlag) error { return nil })

		sender := emberqatest.NewSender(t, hook, token)
		sender.SendTwice(sender.Event(&emberqa.RedFlag{})).WantOK() // a duplicate gets 200 as well
	}
	_ = test // go test calls a function like this one
	// Output:
}
