package convosphere_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

func ExampleNewHandler() {
	hook, err := convosphere.NewHandler("the secret from Convosphere's dashboard", nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnMessageCreated(func(_ context.Context, e *convosphere.MessageCreated) error {
		fmt.Println(e.ID, "from", e.UserID, "says:", e.Content)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/convosphere", hook)

	// Convosphere sends this.
	sender := webhooktest.Signer{
		Profile: convosphere.Profile(),
		URL:     "/webhooks/convosphere",
		Key:     signature.NewKey("default", "the secret from Convosphere's dashboard"),
	}
	body := sender.Stamp(convospheretest.Samples()[0].Body, time.Now())
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
	// evt_123 from user_123 says: Where is my order?
	// 200 {"received":true}
	// 200 {"received":true,"duplicate":true}
}
