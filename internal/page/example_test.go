package page_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
)

func ExampleNew() {
	ring := live.New(live.Options{Title: "http://127.0.0.1:8787"})
	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Verdict: "handled", Tone: page.Good}, Body: []byte("{}")})
	handler, err := page.New(ring, page.Options{Token: "a-long-random-token"})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	response, err := http.Get(server.URL + "/api/items") //nolint:noctx // an example
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	fmt.Println(response.Status)
	// Output: 401 Unauthorized
}

func ExampleCurl() {
	fmt.Print(page.Curl(&page.Detail{
		Method: "POST", URL: "http://127.0.0.1:8787/webhooks/greenflash",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"type":"message.rated"}`),
	}))
	// Output:
	// curl -i -g -X 'POST' --url 'http://127.0.0.1:8787/webhooks/greenflash' \
	//   -H 'Content-Type: application/json' \
	//   --data-raw '{"type":"message.rated"}'
}
