package otelhooks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

func Example() {
	// A service sets exporters for both providers, for example with otel.SetTracerProvider and otel.SetMeterProvider.
	spans, reader := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	telemetry, err := otelhooks.New(&otelhooks.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		log.Fatal(err)
	}
	hook, err := workflux.NewHandler(secret, telemetry.Options(nil))
	if err != nil {
		log.Fatal(err)
	}
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/workflux", telemetry.Handler(hook))

	mux.ServeHTTP(httptest.NewRecorder(), newDelivery())
	for _, span := range spans.GetSpans() {
		fmt.Println("span:", span.Name)
	}
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &metrics); err != nil {
		log.Fatal(err)
	}
	for _, m := range metrics.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			fmt.Println(m.Name, sum.DataPoints[0].Value)
		}
	}
	// Output:
	// span: workflux callback
	// span: workflux delivery
	// aihooks.deliveries 1
	// aihooks.key.deliveries 1
}

// newDelivery returns a signed request.
func newDelivery() *http.Request {
	sender := webhooktest.Signer{Profile: workflux.Profile(), URL: "/webhooks/workflux", Key: signature.NewKey("default", secret)}
	body := `{"event":"user.message","timestamp":"2024-01-01T12:00:00Z","data":{"message_id":"msg-1"}}`
	request, err := sender.Request(sender.Stamp([]byte(body), time.Now()), time.Now(), "")
	if err != nil {
		log.Fatal(err)
	}
	return request
}
