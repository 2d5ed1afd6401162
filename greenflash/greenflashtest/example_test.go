package greenflashtest_test

import (
	"context"
	"testing"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
)

// A test sends an event of its choice to the handler, signed as the vendor does.
func ExampleNewSender() {
	test := func(t *testing.T) {
		hook, err := greenflash.NewHandler("a secret", nil)
		if err != nil {
			t.Fatal(err)
		}
		hook.OnConversationRating(func(context.Context, *greenflash.ConversationRating) error { return nil })

		sender := greenflashtest.NewSender(t, hook, "a secret")
		sender.SendTwice(sender.Event(&greenflash.ConversationRating{})).WantOK() // a duplicate gets 200 as well
		sender.SendForged(sender.Sample("conversation.rating")).Want(401)
	}
	_ = test // go test calls a function like this one
	// Output:
}
