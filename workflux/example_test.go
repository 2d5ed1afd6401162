package workflux_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func ExampleNewHandler() {
	hook, err := workflux.NewHandler("the secret from WorkFlux's dashboard", nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnConversationStarted(func(_ context.Context, e *workflux.ConversationStarted) error {
		fmt.Println(e.ConversationID, "in", e.Channel, "says:", e.InitialMessage)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/workflux", hook)

	// WorkFlux sends this.
	sender := webhooktest.Signer{
		Profile: workflux.Profile(),
		URL:     "/webhooks/workflux",
		Key:     signature.NewKey("default", "the secret from WorkFlux's dashboard"),
	}
	body := sender.Stamp(workfluxtest.Samples()[0].Body, time.Now())
	for range 2 {
		request, err := sender.Request(body, time.Now(), "")
		if err != nil {
			log.Fatal(err)
		}
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}
	// Output:
	// conv-123 in chat says: Hello, I need help
	// 200 {"received":true}
	// 200 {"received":true,"duplicate":true}
}

// WorkFlux sends no id, so user messages are distinguished by their bytes. If a message has its own id, use that as its
// name.
func ExampleConfig_key() {
	key := signature.NewKey("2026-11", "the secret from WorkFlux's dashboard")
	hook, err := workflux.Config{
		Keys: []signature.Key{key},
		DedupKey: func(event any) string {
			if message, ok := event.(*workflux.UserMessage); ok {
				return message.MessageID // if empty, the digest of the body
			}
			return ""
		},
	}.NewHandler(nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnUserMessage(func(_ context.Context, e *workflux.UserMessage) error {
		fmt.Println("message", e.MessageID)
		return nil
	})

	// The same message in two attempts, as if each had a new timestamp.
	sender := webhooktest.Signer{Profile: workflux.Profile(), Key: key}
	const body = `{"event":"user.message","timestamp":"2024-01-01T12:00:00Z","data":{"message_id":"msg-788"}}`
	for _, ago := range []time.Duration{time.Minute, 0} {
		stamped := sender.Stamp([]byte(body), time.Now().Add(-ago))
		request, err := sender.Request(stamped, time.Now(), "")
		if err != nil {
			log.Fatal(err)
		}
		result := hook.Process(context.Background(), webhook.Request{Header: request.Header, Body: request.Body})
		fmt.Println(result.Outcome, strings.TrimPrefix(result.Delivery.Keys[0], "workflux/default/"))
	}
	// Output:
	// message msg-788
	// handled key/user.message/msg-788
	// duplicate key/user.message/msg-788
}
