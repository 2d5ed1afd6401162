package health_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/aihooks/aihooks-go/webhook/health"
	"github.com/aihooks/aihooks-go/workflux"
)

func Example() {
	hook, err := workflux.NewHandler("a-secret-of-workflux", nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /livez", health.Live())
	mux.Handle("GET /readyz", health.Ready(nil, hook, health.Check("database", ping)))

	for _, path := range []string{"/livez", "/readyz"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"live":true}
	// 200 {"ready":true}
}

func ping(context.Context) error { return nil }
