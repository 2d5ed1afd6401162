package otelhooks

import (
	"context"
	"maps"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/health"
)

var propagator propagation.TraceContext

const traceparent = "Traceparent"

// carrier is an http.Header with the trace of a request.
func carrier(h http.Header) propagation.HeaderCarrier { return propagation.HeaderCarrier(h) }

// observe reports the outcome of a request or of a run.
func (t *Telemetry) observe(ctx context.Context, o *webhook.Observation) {
	t.meters.observe(ctx, o)
	if o.FromInbox || o.Late { // the request's span has ended
		return
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(typeKey.String(o.Type), outcomeKey.String(string(o.Outcome)), reasonKey.String(string(o.Reason)))
	if o.ID != "" {
		span.SetAttributes(idKey.String(o.ID))
	}
	if o.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, string(o.Outcome))
	}
}

// run is the Middleware. It makes the span of a callback. A delivery from an inbox has the trace of its request in its Header.
func (t *Telemetry) run(ctx context.Context, d *webhook.Delivery, event webhook.AnyEvent, next func(context.Context) error) error {
	kind, links := trace.SpanKindInternal, []trace.Link(nil)
	if d.Header.Get(traceparent) != "" { // from tracedInbox: a handler keeps no such header of a sender
		kind = trace.SpanKindConsumer
		if around := trace.SpanContextFromContext(ctx); around.IsValid() { // of the program's Run
			links = []trace.Link{{SpanContext: around}}
		}
		ctx = propagator.Extract(ctx, carrier(d.Header))
	}
	eventType := "other"
	if event != nil {
		eventType = d.Type // it has a callback, so the program knows it
	}
	ctx, span := t.tracer.Start(ctx, d.Vendor+" callback", trace.WithSpanKind(kind), trace.WithLinks(links...))
	if span.IsRecording() {
		span.SetAttributes(vendorKey.String(d.Vendor), endpointKey.String(d.Endpoint), typeKey.String(eventType), idKey.String(d.ID), attemptKey.Int(d.Attempt))
	}
	began, failed := time.Now(), true // also if the callback panics
	defer func() {
		t.meters.callback(ctx, d, eventType, time.Since(began), failed)
		if failed {
			span.SetStatus(codes.Error, "the callback failed")
		}
		span.End()
	}()
	err := next(ctx)
	failed = err != nil && !webhook.IsIgnored(err)
	return err
}

// A tracedInbox stores the trace of the request with the delivery.
type tracedInbox struct{ webhook.Inbox }

func (b *tracedInbox) Enqueue(ctx context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return b.Inbox.Enqueue(ctx, d)
	}
	traced := *d
	traced.Header = maps.Clone(d.Header)
	if traced.Header == nil {
		traced.Header = make(http.Header, 1)
	}
	propagator.Inject(ctx, carrier(traced.Header))
	return b.Inbox.Enqueue(ctx, &traced)
}

// Ready passes on the question to the inbox, for [webhook.Handler.Ready].
func (b *tracedInbox) Ready(ctx context.Context) error {
	if r, ok := b.Inbox.(health.Checker); ok {
		return r.Ready(ctx)
	}
	return nil
}
