package webhooktest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing/fstest"
	"time"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A Signer makes requests outside of tests, for example in a load generator.
func ExampleSigner() {
	hook, err := convosphere.NewHandler("a secret", nil)
	if err != nil {
		panic(err)
	}
	hook.OnConversationEnded(func(_ context.Context, e *convosphere.ConversationEnded) error {
		fmt.Println(e.ID, "has ended", e.ThreadID)
		return nil
	})

	vendor := convospheretest.Vendor()
	signer := vendor.Signer("http://localhost:8080/webhooks/convosphere", signature.NewKey("load", "a secret"))
	for _, sample := range vendor.Samples {
		if sample.Type != convosphere.TypeConversationEnded {
			continue
		}
		now := time.Now()
		body := signer.Name(signer.Stamp(sample.Body, now), "evt_1")
		request, err := signer.Request(body, now, "evt_1")
		if err != nil {
			panic(err)
		}
		response := httptest.NewRecorder()
		hook.ServeHTTP(response, request)
		fmt.Println(response.Code == http.StatusOK)
	}
	// Output:
	// evt_1 has ended thread_123
	// true
}

// Captured deliveries can replace the samples of the vendor. A real test embeds the files with //go:embed samples/*.json.
func ExampleReadSamples() {
	files := fstest.MapFS{
		"samples/long call.json":  {Data: []byte(`{"alert_type":"red_flag","webhook_id":"1"}`)},
		"samples/short call.json": {Data: []byte(`{"alert_type":"red_flag","webhook_id":"2"}`)},
		"samples/score.json":      {Data: []byte(`{"alert_type":"low_score","webhook_id":"3"}`)},
		"samples/done.json":       {Data: []byte(`{"trigger_reason":"completed_action","webhook_id":"4"}`)},
	}
	vendor := webhooktest.Vendor{Profile: emberqa.Profile()}
	vendor.Samples = webhooktest.ReadSamples(files, vendor.Profile)
	for _, sample := range vendor.Samples {
		fmt.Println(sample.Type, "-", sample.Name)
	}
	// Output:
	// red_flag - long call
	// red_flag - short call
	// low_score - score
	// completed_action - done
}
