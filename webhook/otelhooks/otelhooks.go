package otelhooks

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/aihooks/aihooks-go/webhook"
)

const scope = "github.com/aihooks/aihooks-go/webhook/otelhooks"

// Options are the options of [New]. The zero value of each field means its default.
type Options struct {
	// TracerProvider makes the spans. Defaults to the global one.
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics. Defaults to the global one.
	MeterProvider metric.MeterProvider

	// Remote makes a request's span a child of the span in its traceparent header. Set it only if a proxy of yours sets or
	// removes that header: otherwise any sender can choose the trace. Defaults to false, which makes a new trace.
	Remote bool
}

// Telemetry reports what handlers and inboxes do. All handlers of a service can share one.
type Telemetry struct {
	tracer trace.Tracer
	remote bool
	meters *meters
}

// New makes a Telemetry. A nil o means the defaults. The error is that of the MeterProvider.
func New(o *Options) (*Telemetry, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.TracerProvider == nil {
		opts.TracerProvider = otel.GetTracerProvider()
	}
	if opts.MeterProvider == nil {
		opts.MeterProvider = otel.GetMeterProvider()
	}
	m, err := newMeters(opts.MeterProvider.Meter(scope))
	if err != nil {
		return nil, err
	}
	return &Telemetry{tracer: opts.TracerProvider.Tracer(scope), remote: opts.Remote, meters: m}, nil
}

// Options returns a copy of o that reports. It adds to the Observer, the Middleware, OnStoreCall and the Inbox of o, and keeps
// what is there. A nil o means the defaults.
func (t *Telemetry) Options(o *webhook.Options) *webhook.Options {
	var c webhook.Options
	if o != nil {
		c = *o
	}
	observer, onStoreCall := c.Observer, c.OnStoreCall
	c.Observer = func(ctx context.Context, obs webhook.Observation) {
		t.observe(ctx, &obs)
		if observer != nil {
			observer(ctx, obs)
		}
	}
	c.OnStoreCall = func(method string, took time.Duration, err error) {
		t.meters.storeCall(method, took, err)
		if onStoreCall != nil {
			onStoreCall(method, took, err)
		}
	}
	c.Middleware = append([]webhook.Middleware{t.run}, c.Middleware...)
	if c.Inbox != nil {
		c.Inbox = &tracedInbox{c.Inbox}
	}
	return &c
}

// A Hook is a handler of any vendor.
type Hook interface {
	http.Handler
	Vendor() string
	Endpoint() string
	Status() webhook.Status
}

// Handler returns a handler that makes a span for each request, and reports the status of hook.
func (t *Telemetry) Handler(hook Hook) http.Handler {
	t.meters.watch(hook)
	name := hook.Vendor() + " delivery"
	at := trace.WithAttributes(vendorKey.String(hook.Vendor()), endpointKey.String(hook.Endpoint()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if t.remote {
			ctx = propagator.Extract(ctx, carrier(r.Header))
		}
		ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), at)
		defer span.End()
		hook.ServeHTTP(w, r.WithContext(ctx))
	})
}
