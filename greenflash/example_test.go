package greenflash_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

type fakePager struct{}

func (fakePager) Alert(_ context.Context, conversationID string) error {
	fmt.Println("someone is frustrated in", conversationID)
	return nil
}

func Example() {
	var pager fakePager
	secret := "a secret" // from Greenflash's settings

	hook, err := greenflash.NewHandler(secret, nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnConversationFrustration(func(ctx context.Context, e *greenflash.ConversationFrustration) error {
		return pager.Alert(ctx, e.ConversationID) // nil: 200. An error: 500.
	})
	http.Handle("POST /webhooks/greenflash", hook)

	// Greenflash sends this:
	greenflashs := webhooktest.Signer{
		Profile: greenflash.Profile(),
		URL:     "https://example.com/webhooks/greenflash",
		Key:     signature.NewKey("default", secret),
	}
	for _, sample := range greenflashtest.Samples() {
		if sample.Name != "conversation.frustration" {
			continue
		}
		request, err := greenflashs.Request(sample.Body, time.Now(), "delivery-1")
		if err != nil {
			log.Fatal(err)
		}
		response := httptest.NewRecorder()
		http.DefaultServeMux.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}

	// Output:
	// someone is frustrated in 0b6c1f6e-52a1-4b8f-9d6e-6f7c0a1f2b31
	// 200 {"received":true}
}

func ExampleConfig_NewHandler() {
	hook, err := greenflash.Config{
		Keys: []signature.Key{ // both, during a rotation
			signature.NewKey("2026-11", "the new secret"),
			signature.NewKey("2025-11", "the old secret"),
		},
		Form: greenflash.FormTimestamp, // after an observation has reported this form
	}.NewHandler(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hook.SetKeys(signature.NewKey("2026-11", "the new secret")))
	// Output: <nil>
}
