package otelhooks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/aihooks/aihooks-go/internal/test/benchpair"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
)

// BenchmarkHandler measures deliveries with metrics, and with metrics and sampled traces, next to a handler with an observer.
func BenchmarkHandler(b *testing.B) {
	for _, c := range []struct {
		name   string
		traced float64
	}{{"metrics", 0}, {"metrics and a hundredth of traces", .01}} {
		b.Run(c.name, func(b *testing.B) {
			plain := func(o *webhook.Options) *webhook.Options { return o }
			telemetry, err := otelhooks.New(&otelhooks.Options{
				TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.TraceIDRatioBased(c.traced))),
				MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
			})
			require.NoError(b, err)
			with, without := newBenchHook(b, telemetry.Options), newBenchHook(b, plain)
			handler := telemetry.Handler(with)
			n := 0
			send := func(h http.Handler) func() float64 {
				return func() float64 {
					requests := make([]*http.Request, 512)
					for i := range requests {
						n++
						requests[i] = benchRequest(b, n)
					}
					began := time.Now()
					for _, r := range requests {
						h.ServeHTTP(httptest.NewRecorder(), r)
					}
					return float64(len(requests)) / time.Since(began).Seconds()
				}
			}
			benchpair.Measure(b, "per_s", [2]string{"telemetry", "observer"}, send(handler), send(without))
		})
	}
}

func newBenchHook(b *testing.B, with func(*webhook.Options) *webhook.Options) *workflux.Handler {
	b.Helper()
	hook, err := workflux.NewHandler(secret, with(&webhook.Options{
		Logger: slog.New(slog.DiscardHandler), Observer: func(context.Context, webhook.Observation) {},
	}))
	require.NoError(b, err)
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	return hook
}

func benchRequest(b *testing.B, n int) *http.Request {
	b.Helper()
	sender := webhooktest.Signer{Profile: workflux.Profile(), URL: "/webhooks/workflux", Key: signature.NewKey("default", secret)}
	body := fmt.Sprintf(`{"event":"user.message","timestamp":"2024-01-01T12:00:00Z","data":{"message_id":"msg-%d"}}`, n)
	request, err := sender.Request(sender.Stamp([]byte(body), time.Now()), time.Now(), "")
	require.NoError(b, err)
	return request
}
