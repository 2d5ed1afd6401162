package otelhooks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/otelhooks"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const secret = "a-secret-of-workflux-in-a-test"

// A site is a handler with its telemetry.
type site struct {
	t      *testing.T
	spans  *tracetest.InMemoryExporter
	reader *sdkmetric.ManualReader
	*otelhooks.Telemetry
	hook   *workflux.Handler
	sender *webhooktest.Sender
}

func newSite(t *testing.T, o *webhook.Options, remote bool) *site {
	t.Helper()
	s := &site{t: t, spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	if o == nil {
		o = new(webhook.Options)
	}
	o.Logger = slog.New(slog.DiscardHandler)
	var err error
	s.Telemetry, err = otelhooks.New(&otelhooks.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)),
		Remote:         remote,
	})
	require.NoError(t, err)
	s.hook, err = workflux.NewHandler(secret, s.Options(o))
	require.NoError(t, err)
	s.sender = workfluxtest.NewSender(t, s.Handler(s.hook), secret)
	return s
}

// metrics returns the data of each metric by name.
func (s *site) metrics() map[string]metricdata.Aggregation {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(s.t.Context(), &all))
	byName := make(map[string]metricdata.Aggregation)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			byName[m.Name] = m.Data
		}
	}
	return byName
}

// values returns the sums, the gauges, or the numbers of observations of a metric, by the values of its attributes.
func (s *site) values(name string) map[string]float64 {
	s.t.Helper()
	got := make(map[string]float64)
	switch data := s.metrics()[name].(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			got[labels(p.Attributes)] += float64(p.Value)
		}
	case metricdata.Gauge[int64]:
		for _, p := range data.DataPoints {
			got[labels(p.Attributes)] += float64(p.Value)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			got[labels(p.Attributes)] += p.Value
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			got[labels(p.Attributes)] += float64(p.Count)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			got[labels(p.Attributes)] += float64(p.Count)
		}
	}
	return got
}

// labels returns the values of attributes in the order of their names.
func labels(set attribute.Set) string {
	var text string
	for _, kv := range set.ToSlice() {
		text += kv.Value.String() + " "
	}
	return text[:max(0, len(text)-1)]
}

func (s *site) message(id string) *webhooktest.Delivery {
	return s.sender.Event(&workflux.UserMessage{Event: webhook.Event{ID: id, Time: time.Now().Add(-3 * time.Second)}})
}

func TestMetrics_EqualWhatWasSent(t *testing.T) {
	var fail error
	s := newSite(t, nil, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return fail })
	first := s.message("a0")
	for _, d := range []*webhooktest.Delivery{first, s.message("a1"), s.message("a2"), first} {
		require.Equal(t, http.StatusOK, s.sender.Send(d).Status)
	}
	fail = errors.New("the callback failed")
	require.Equal(t, http.StatusInternalServerError, s.sender.Send(s.message("b")).Status)
	forger := workfluxtest.NewSender(t, s.Handler(s.hook), "the-secret-of-someone-else")
	for range 2 {
		require.Equal(t, http.StatusUnauthorized, forger.Send(s.message("c")).Status)
	}

	require.Equal(t, map[string]float64{
		"default handled request user.message workflux":               3,
		"default duplicate request user.message workflux":             1,
		"default failed request user.message workflux":                1,
		"default unauthenticated signature_mismatch request workflux": 2,
	}, s.values("aihooks.deliveries"))
	require.Equal(t, map[string]float64{"default default workflux": 5}, s.values("aihooks.key.deliveries"))
	require.Equal(t, map[string]float64{"default workflux": 5}, s.values("aihooks.delivery.age"))
	require.Equal(t, map[string]float64{"default workflux": 5}, s.values("aihooks.delivery.size"))
	require.Equal(t, map[string]float64{
		"default handled workflux": 3, "default duplicate workflux": 1, "default failed workflux": 1, "default unauthenticated workflux": 2,
	}, s.values("aihooks.response.duration"))
	require.Equal(t, map[string]float64{
		"default user.message workflux": 3, "default user.message workflux _OTHER": 1,
	}, s.values("aihooks.callback.duration"))
	require.Equal(t, map[string]float64{"default workflux": 256}, s.values("aihooks.callbacks.running.limit"))
	require.Equal(t, map[string]float64{"default workflux": 0}, s.values("aihooks.callbacks.running"))
	require.Equal(t, map[string]float64{"default workflux": 32 << 20}, s.values("aihooks.reading.memory.limit"))
	require.Equal(t, map[string]float64{"default workflux": 0}, s.values("aihooks.silent"))
	require.Len(t, s.values("aihooks.accepted.age"), 1)
	age := s.metrics()["aihooks.delivery.age"].(metricdata.Histogram[float64]).DataPoints[0]
	require.GreaterOrEqual(t, age.Sum, 3.0*5)
	require.Less(t, age.Sum, 60.0*5, "even on a busy machine")
}

// A store other than the one in memory has times of its calls.
func TestMetrics_HaveStoreCalls(t *testing.T) {
	memory, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	s := newSite(t, &webhook.Options{Store: struct{ idempotency.Renewer }{memory}}, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	s.sender.Send(s.message("a"))
	require.Equal(t, map[string]float64{"claim": 1, "complete": 1}, s.values("aihooks.store.duration"))
}

// A sender cannot create time series.
func TestMetrics_HaveBoundedLabels(t *testing.T) {
	s := newSite(t, nil, false)
	s.hook.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	const n = 3000 // the SDK itself limits the labels of a metric to 2,000
	for i := range n {
		s.sender.Send(s.sender.Raw([]byte(fmt.Sprintf(`{"event":"invented.%d","id":"%d","timestamp":%q,"data":{}}`, i, i, time.Now().Format(time.RFC3339)))))
	}
	require.Equal(t, map[string]float64{"default handled request other workflux": n}, s.values("aihooks.deliveries"))
	require.Equal(t, map[string]float64{"default other workflux": n}, s.values("aihooks.callback.duration"))
}

func TestTrace_HasRequestAndCallback(t *testing.T) {
	fail := errors.New("the callback failed")
	s := newSite(t, nil, false)
	var inside trace.SpanContext
	s.hook.OnUserMessage(func(ctx context.Context, _ *workflux.UserMessage) error {
		inside = trace.SpanContextFromContext(ctx)
		return fail
	})
	s.sender.Send(s.message("a"))
	spans := s.spans.GetSpans()
	require.Len(t, spans, 2)
	callback, request := spans[0], spans[1]
	require.Equal(t, "workflux callback", callback.Name)
	require.Equal(t, trace.SpanKindInternal, callback.SpanKind)
	require.Equal(t, inside.SpanID(), callback.SpanContext.SpanID(), "the callback can make spans below")
	require.Equal(t, request.SpanContext.SpanID(), callback.Parent.SpanID())
	require.Equal(t, codes.Error, callback.Status.Code)
	require.Equal(t, "workflux delivery", request.Name)
	require.Equal(t, trace.SpanKindServer, request.SpanKind)
	require.Equal(t, codes.Error, request.Status.Code)
	require.Subset(t, request.Attributes, []attribute.KeyValue{
		attribute.String("aihooks.vendor", "workflux"), attribute.String("aihooks.outcome", "failed"), attribute.String("aihooks.type", "user.message"),
	})
}

// Any sender can send a traceparent.
func TestTrace_UsesSendersTraceOnlyIfAsked(t *testing.T) {
	const sent = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, remote := range []bool{false, true} {
		s := newSite(t, nil, remote)
		s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
		d := s.message("a")
		d.Header = http.Header{"Traceparent": {"00-" + sent + "-00f067aa0ba902b7-01"}}
		require.Equal(t, http.StatusOK, s.sender.Send(d).Status)
		require.Len(t, s.spans.GetSpans(), 2)
		for _, span := range s.spans.GetSpans() {
			require.Equal(t, remote, span.SpanContext.TraceID().String() == sent)
		}
	}
}

func TestTrace_MarksPanicAsError(t *testing.T) {
	s := newSite(t, nil, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { panic("on purpose") })
	s.sender.Send(s.message("a"))
	require.Equal(t, codes.Error, s.spans.GetSpans()[0].Status.Code)
	require.Equal(t, map[string]float64{"default user.message workflux _OTHER": 1}, s.values("aihooks.callback.duration"))
}

func TestOptions_KeepWhatIsThere(t *testing.T) {
	var observed, around int
	o := &webhook.Options{
		Observer: func(context.Context, webhook.Observation) { observed++ },
		Middleware: []webhook.Middleware{func(ctx context.Context, _ *webhook.Delivery, _ webhook.AnyEvent, next func(context.Context) error) error {
			around++
			return next(ctx)
		}},
	}
	s := newSite(t, o, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	s.sender.Send(s.message("a"))
	require.Equal(t, 1, observed)
	require.Equal(t, 1, around)
	require.Len(t, o.Middleware, 1, "the given options are unchanged")
}

type fakeInbox struct {
	stats inbox.Stats
	err   error
}

func (c *fakeInbox) Stats(context.Context) (inbox.Stats, error) { return c.stats, c.err }

func TestInbox_HasEntriesAndAge(t *testing.T) {
	s := newSite(t, nil, false)
	c := &fakeInbox{stats: inbox.Stats{Counts: inbox.Counts{Pending: 1, Running: 2, Deferred: 3, DeadLettered: 4, Done: 5}, Oldest: time.Now().Add(-time.Minute)}}
	s.Inbox("main", c)
	require.Equal(t, map[string]float64{"main pending": 1, "main running": 2, "main deferred": 3, "main dead_lettered": 4, "main done": 5},
		s.values("aihooks.inbox.entries"))
	require.InDelta(t, 60, s.values("aihooks.inbox.oldest")["main"], 30)
	c.err = errors.New("the inbox is down")
	var all metricdata.ResourceMetrics
	require.ErrorContains(t, s.reader.Collect(t.Context(), &all), "the inbox is down")
	require.NotEmpty(t, all.ScopeMetrics, "the other metrics are collected")
}

// During an outage, the metrics of everything else are still collected.
func TestInbox_ThatHangsDelaysMetricsOnce(t *testing.T) {
	s := newSite(t, nil, false)
	var counts atomic.Int64
	s.Inbox("main", statsFunc(func() (inbox.Stats, error) {
		counts.Add(1)
		select {}
	}))
	for range 3 {
		var all metricdata.ResourceMetrics
		require.ErrorContains(t, s.reader.Collect(context.Background(), &all), `the inbox "main"`)
		require.NotEmpty(t, all.ScopeMetrics)
	}
	require.EqualValues(t, 1, counts.Load())
}

type statsFunc func() (inbox.Stats, error)

func (f statsFunc) Stats(context.Context) (inbox.Stats, error) { return f() }

// The response to an ignored delivery is 200.
func TestCallback_ThatIgnoresHasNotFailed(t *testing.T) {
	s := newSite(t, nil, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return webhook.Ignore("not ours") })
	s.sender.Send(s.message("a"))
	require.Equal(t, codes.Unset, s.spans.GetSpans()[0].Status.Code)
	require.Equal(t, map[string]float64{"default user.message workflux": 1}, s.values("aihooks.callback.duration"))
}

// The context of Run may have a span of the program.
func TestTrace_OfStoredDeliveryIsThatOfItsRequest(t *testing.T) {
	s := newSite(t, nil, false)
	s.hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	s.sender.Send(s.message("a"))
	request := s.spans.GetSpans()[1]
	header := http.Header{"Traceparent": {fmt.Sprintf("00-%s-%s-01", request.SpanContext.TraceID(), request.SpanContext.SpanID())}}
	body := s.sender.Request(s.message("b")).Body
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	around, span := sdktrace.NewTracerProvider().Tracer("program").Start(t.Context(), "program")
	defer span.End()
	result := s.hook.Redeliver(around, &webhook.Delivery{
		Vendor: "workflux", Endpoint: "default", Type: "user.message", ID: "b", Keys: []string{"b"}, Body: text, Header: header,
	})
	require.Equal(t, webhook.Handled, result.Outcome, result.Err)
	run := s.spans.GetSpans()[2]
	require.Equal(t, request.SpanContext.TraceID(), run.SpanContext.TraceID())
	require.Equal(t, span.SpanContext().SpanID(), run.Links[0].SpanContext.SpanID())
}
