package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/health"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
)

// A telemetry has the metrics and traces of the receiver.
type telemetry struct {
	*otelhooks.Telemetry
	registry *prometheus.Registry
	traces   *sdktrace.TracerProvider // nil without an exporter
}

// newTelemetry returns nil unless METRICS_ADDR or OTEL_EXPORTER_OTLP_ENDPOINT is set.
func newTelemetry(ctx context.Context, c config) (*telemetry, error) {
	if c.metricsAddr == "" && !c.traces {
		return nil, nil //nolint:nilnil // no telemetry is asked for
	}
	t := &telemetry{registry: prometheus.NewRegistry()}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	options := &otelhooks.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))}
	if c.traces {
		spans, err := otlptracehttp.New(ctx) // reads OTEL_EXPORTER_OTLP_ENDPOINT and its relatives
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
		}
		t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
		options.TracerProvider = t.traces
	}
	t.Telemetry, err = otelhooks.New(options)
	return t, err
}

// options returns the handlers' options with telemetry.
func (t *telemetry) options(o *webhook.Options) *webhook.Options {
	if t == nil {
		return o
	}
	return t.Options(o)
}

// handler returns a handler that makes spans.
func (t *telemetry) handler(h *webhook.Handler) http.Handler {
	if t == nil {
		return h
	}
	return t.Handler(h)
}

// watch reports the entries of an inbox.
func (t *telemetry) watch(name string, b *box) {
	if t != nil && b.Inbox != nil {
		t.Inbox(name, b)
	}
}

// serve serves /metrics, /livez and /readyz until the returned function is called. It returns the address.
func (t *telemetry) serve(addr string, hooks []*webhook.Handler) (string, func(context.Context) error, error) {
	if t == nil || addr == "" {
		return "", func(context.Context) error { return nil }, nil
	}
	checks := make([]health.Checker, len(hooks))
	for i, h := range hooks {
		checks[i] = h
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.Handle("GET /livez", health.Live())
	mux.Handle("GET /readyz", health.Ready(nil, checks...))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("METRICS_ADDR: %w", err)
	}
	server := webhook.NewServer("", mux)
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), server.Shutdown, nil
}

// Close exports the spans that remain.
func (t *telemetry) Close() error {
	if t == nil || t.traces == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return t.traces.Shutdown(ctx)
}
