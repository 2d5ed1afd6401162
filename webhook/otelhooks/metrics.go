package otelhooks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/deadline"
	"github.com/aihooks/aihooks-go/webhook"
)

// meters are the instruments. The gauges read the handlers and inboxes when the metrics are collected.
type meters struct {
	deliveries, keys                       metric.Int64Counter
	age, response, callbacks, store        metric.Float64Histogram
	size, attempts                         metric.Int64Histogram
	running, runningLimit                  metric.Int64ObservableGauge
	reading, readingLimit, silent, entries metric.Int64ObservableGauge
	accepted, oldest                       metric.Float64ObservableGauge

	options options

	mu      sync.Mutex
	hooks   []Hook
	inboxes map[string]*counted
}

// seconds are the boundaries of durations: responses and callbacks take milliseconds to half a minute.
var seconds = metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)

func newMeters(m metric.Meter) (*meters, error) {
	all := &meters{inboxes: make(map[string]*counted)}
	var errs []error
	counter := func(name, unit, text string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs = append(errs, err)
		return c
	}
	duration := func(name, text string, bounds metric.HistogramOption) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), bounds)
		errs = append(errs, err)
		return h
	}
	count := func(name, unit, text string, bounds ...float64) metric.Int64Histogram {
		h, err := m.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(text), metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return h
	}
	gauge := func(name, unit, text string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
		errs = append(errs, err)
		return g
	}
	elapsed := func(name, text string) metric.Float64ObservableGauge {
		g, err := m.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(text))
		errs = append(errs, err)
		return g
	}
	all.deliveries = counter("aihooks.deliveries", "{delivery}", "Requests, runs of stored deliveries and late results.")
	all.keys = counter("aihooks.key.deliveries", "{delivery}", "Authentic requests by the name of the key.")
	all.age = duration("aihooks.delivery.age", "Time from the event's time until its arrival.",
		metric.WithExplicitBucketBoundaries(.1, .5, 1, 5, 15, 60, 300, 900, 3600, 6*3600, 24*3600))
	all.response = duration("aihooks.response.duration", "Time until the response.", seconds)
	all.callbacks = duration("aihooks.callback.duration", "Time in the callback.", seconds)
	all.store = duration("aihooks.store.duration", "Time of a call to the store.", seconds)
	all.size = count("aihooks.delivery.size", "By", "Size of the bodies of authentic deliveries.", 256, 1<<10, 4<<10, 16<<10, 64<<10, 256<<10, 1<<20)
	all.attempts = count("aihooks.callback.attempts", "{attempt}", "Number of the run of a stored delivery that ended.", 1, 2, 3, 5, 10, 25)
	all.running = gauge("aihooks.callbacks.running", "{callback}", "Callbacks that run.")
	all.runningLimit = gauge("aihooks.callbacks.running.limit", "{callback}", "Options.MaxRunning.")
	all.reading = gauge("aihooks.reading.memory", "By", "Memory of bodies that are being read, by all handlers with the same budget.")
	all.readingLimit = gauge("aihooks.reading.memory.limit", "By", "Size of Options.ReadBudget.")
	all.silent = gauge("aihooks.silent", "{handler}", "1 while no delivery was accepted for Options.SilentAfter.")
	all.accepted = elapsed("aihooks.accepted.age", "Time since a delivery was accepted.")
	all.entries = gauge("aihooks.inbox.entries", "{delivery}", "Stored deliveries by state.")
	all.oldest = elapsed("aihooks.inbox.oldest", "Time since the oldest pending delivery was due.")
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	_, err := m.RegisterCallback(all.read, all.running, all.runningLimit, all.reading, all.readingLimit, all.silent, all.accepted, all.entries, all.oldest)
	return all, err
}

// observe counts a request or a run. The labels come from fixed lists or from the configuration.
func (m *meters) observe(ctx context.Context, o *webhook.Observation) {
	where, stage := labels{vendor: o.Vendor, endpoint: o.Endpoint}, "request"
	switch {
	case o.FromInbox:
		stage = "inbox"
		if o.Attempt > 0 {
			m.attempts.Record(ctx, int64(o.Attempt), m.options.of(where))
		}
	case o.Late:
		stage = "late"
	default:
		m.response.Record(ctx, o.Duration.Seconds(), m.options.of(labels{vendor: o.Vendor, endpoint: o.Endpoint, outcome: string(o.Outcome)}))
		if o.SignedBy == "" {
			break
		}
		if o.Tenant == "" { // the names of tenants' keys are not bounded
			m.keys.Add(ctx, 1, m.options.of(labels{vendor: o.Vendor, endpoint: o.Endpoint, key: o.SignedBy}))
		}
		m.size.Record(ctx, int64(o.Bytes), m.options.of(where))
		if !o.Time.IsZero() {
			m.age.Record(ctx, max(0, time.Since(o.Time)-o.Duration).Seconds(), m.options.of(where))
		}
	}
	m.deliveries.Add(ctx, 1, m.options.of(labels{
		vendor: o.Vendor, endpoint: o.Endpoint, eventType: o.Type, outcome: string(o.Outcome), reason: string(o.Reason), stage: stage,
	}))
}

func (m *meters) callback(ctx context.Context, d *webhook.Delivery, eventType string, took time.Duration, failed bool) {
	m.callbacks.Record(ctx, took.Seconds(), m.options.of(labels{vendor: d.Vendor, endpoint: d.Endpoint, eventType: eventType, failed: failed}))
}

func (m *meters) storeCall(method string, took time.Duration, err error) {
	m.store.Record(context.Background(), took.Seconds(), m.options.of(labels{method: method, failed: err != nil}))
}

func (m *meters) watch(h Hook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hooks = append(m.hooks, h)
}

// A StatsReader counts the entries of an inbox. Every [inbox.Inbox] is one.
type StatsReader interface {
	Stats(ctx context.Context) (inbox.Stats, error)
}

// A counted is an inbox whose entries are counted.
type counted struct {
	StatsReader
	calls deadline.Single
}

// countTimeout is how long an inbox may take to count its entries.
const countTimeout = time.Second

// Inbox reports the numbers of stored deliveries under a name. They are counted when the metrics are collected, once for all
// states. An inbox that does not respond within a second has no figures. See its Stats for the costs of counting.
func (t *Telemetry) Inbox(name string, box StatsReader) {
	t.meters.mu.Lock()
	defer t.meters.mu.Unlock()
	t.meters.inboxes[name] = &counted{StatsReader: box}
}

// read reads the gauges.
func (m *meters) read(ctx context.Context, to metric.Observer) error {
	m.mu.Lock()
	hooks, inboxes := slices.Clone(m.hooks), maps.Clone(m.inboxes)
	m.mu.Unlock()
	for _, h := range hooks {
		s, at := h.Status(), m.options.of(labels{vendor: h.Vendor(), endpoint: h.Endpoint()})
		to.ObserveInt64(m.running, int64(s.Running), at)
		to.ObserveInt64(m.runningLimit, int64(s.MaxRunning), at)
		to.ObserveInt64(m.reading, s.Reading, at)
		to.ObserveInt64(m.readingLimit, s.ReadBudget, at)
		silent := int64(0)
		if s.Silent {
			silent = 1
		}
		to.ObserveInt64(m.silent, silent, at)
		if !s.Accepted.IsZero() {
			to.ObserveFloat64(m.accepted, time.Since(s.Accepted).Seconds(), at)
		}
	}
	var failed error
	for name, box := range inboxes {
		if err := m.readInbox(ctx, to, name, box); err != nil {
			failed = err
		}
	}
	return failed
}

func (m *meters) readInbox(ctx context.Context, to metric.Observer, name string, box *counted) error {
	var stats inbox.Stats
	err := box.calls.Call(ctx, countTimeout, func(ctx context.Context) (err error) {
		stats, err = box.Stats(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("otelhooks: the inbox %q: %w", name, err)
	}
	for state, n := range map[inbox.State]int{
		inbox.Pending: stats.Pending, inbox.Running: stats.Running, inbox.Deferred: stats.Deferred,
		inbox.DeadLettered: stats.DeadLettered, inbox.Done: stats.Done,
	} {
		to.ObserveInt64(m.entries, int64(n), m.options.of(labels{inbox: name, state: string(state)}))
	}
	waited := 0.0
	if !stats.Oldest.IsZero() {
		waited = time.Since(stats.Oldest).Seconds()
	}
	to.ObserveFloat64(m.oldest, waited, m.options.of(labels{inbox: name}))
	return nil
}
