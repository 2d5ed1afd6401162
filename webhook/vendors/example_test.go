package vendors_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Ping is an event of Acme. Its fields are those of the body's "data".
type Ping struct {
	webhook.Event
	Number int `json:"number"`
}

var typePing = webhook.NewEventType[Ping]("ping")

// acme describes a vendor that signs the body with HMAC-SHA256, in hex.
func acme() vendors.Profile {
	return vendors.Profile{
		Name:     "acme",
		Scheme:   &signature.Scheme{Header: "X-Acme-Signature", Forms: []signature.Form{{Name: "body"}}},
		Envelope: vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"id"}, Time: []string{"time"}, Data: []string{"data"}},

		DedupKeys:     vendors.ByEventID,
		Window:        time.Hour,
		RespondWithin: 5 * time.Second,
		RetryWindow:   30 * time.Minute,
		Attempts:      3,
		Events:        []vendors.EventType{typePing},
	}
}

// A Handler receives Acme's deliveries.
type Handler struct{ *webhook.Handler }

// NewHandler returns a handler with one secret.
func NewHandler(secret string, o *webhook.Options) (*Handler, error) {
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Keys: []signature.Key{signature.NewKey("default", secret)}}, o)
	return &Handler{h}, err
}

// OnPing registers fn for pings.
func (h *Handler) OnPing(fn func(context.Context, *Ping) error) { typePing.On(h.Handler, fn) }

// Another vendor needs a profile, a Go type for each event, and a handler with a method for each.
func Example() {
	hook, err := NewHandler("a secret", nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnPing(func(_ context.Context, e *Ping) error {
		fmt.Println("ping", e.ID, e.Number)
		return nil
	})

	// The vendor sends, here by the test kit's signer.
	vendor := webhooktest.Vendor{Profile: acme()}
	signer := vendor.Signer("/webhooks/acme", signature.NewKey("default", "a secret"))
	body := fmt.Sprintf(`{"type":"ping","id":"evt_1","time":%d,"data":{"number":7}}`, time.Now().Unix())
	request, err := signer.Request([]byte(body), time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/acme", hook)
	response := httptest.NewRecorder()
	mux.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)
	// Output:
	// ping evt_1 7
	// 200 {"received":true}
}
