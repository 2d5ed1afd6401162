package emberqa_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

type fakePager struct{}

func (fakePager) Alert(_ context.Context, fileName, reason string) error {
	fmt.Printf("red flag in %s: %s\n", fileName, reason)
	return nil
}

func Example() {
	var pager fakePager
	token := "iS8lNqYw0fVd5hTb" // random; part of the URL in EmberQA's dashboard

	hook, err := emberqa.NewHandler(emberqa.Token(token), nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnRedFlag(func(ctx context.Context, e *emberqa.RedFlag) error {
		return pager.Alert(ctx, e.FileName, e.RedFlagReason) // nil: 200. An error: 500, and EmberQA delivers it again.
	})
	http.Handle("POST /webhooks/emberqa/{token}", hook)

	// EmberQA sends this:
	emberqas := webhooktest.Signer{
		Profile: emberqa.Profile(),
		URL:     "https://example.com/webhooks/emberqa/" + token,
	}
	request, err := emberqas.Request(emberqatest.Samples()[0].Body, time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	response := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)

	// Output:
	// red flag in customer_support_call.wav: Inappropriate language detected
	// 200 {"received":true}
}

func ExampleHandler_SetCredentials() {
	before := emberqa.Token("iS8lNqYw0fVd5hTb").Named("2025")
	hook, err := emberqa.NewHandler(before, nil)
	if err != nil {
		log.Fatal(err)
	}
	after := emberqa.Token("uM2cRz7xGk9oJe4a").Named("2026")
	fmt.Println(hook.SetCredentials(after, before)) // then change the URL in EmberQA's dashboard
	fmt.Println(hook.SetCredentials(after))
	// Output:
	// <nil>
	// <nil>
}

func ExampleScoreDetails() {
	hook, err := emberqa.NewHandler(emberqa.Basic("emberqa", "iS8lNqYw0fVd5hTb"), nil)
	if err != nil {
		log.Fatal(err)
	}
	hook.OnLowScore(func(_ context.Context, e *emberqa.LowScore) error {
		for name, metric := range e.ScoreDetails.Metrics {
			if metric.Score != nil && metric.Justification != nil && *metric.Score < 5 {
				fmt.Printf("%s: %v of 10. %s\n", name, *metric.Score, *metric.Justification)
			}
		}
		return nil
	})

	emberqas := webhooktest.Signer{Profile: emberqa.Profile(), URL: "https://example.com/"}
	request, err := emberqas.Request(emberqatest.Samples()[1].Body, time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	request.SetBasicAuth("emberqa", "iS8lNqYw0fVd5hTb")
	hook.ServeHTTP(httptest.NewRecorder(), request)
	// Output: problem_resolution: 3 of 10. Failed to resolve billing issue
}
