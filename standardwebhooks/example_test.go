package standardwebhooks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/standardwebhooks/standardwebhookstest"
)

// A Contact is your type for the data of an event.
type Contact struct {
	ID   string `json:"id"`
	Name string `json:"fullName"`
}

func ExampleOn() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // read yours from the environment or a secret store
	hook, err := standardwebhooks.NewHandler(secret, nil)
	if err != nil {
		log.Fatal(err)
	}
	standardwebhooks.On(hook, "contact.created", func(_ context.Context, e *standardwebhooks.Event[Contact]) error {
		fmt.Println(e.Type, e.Data.Name)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/standardwebhooks", hook)

	// A sender sends this, and sends it again.
	vendor := standardwebhookstest.Vendor()
	sender := vendor.Signer("/webhooks/standardwebhooks", signature.NewKey("default", secret))
	for range 2 {
		request, err := sender.Request(vendor.Samples[0].Body, time.Now(), "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W")
		if err != nil {
			log.Fatal(err)
		}
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}
	// Output:
	// contact.created John Smith
	// 200 {"received":true}
	// 200 {"received":true,"duplicate":true}
}
