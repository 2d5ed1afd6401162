package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// A process simulates a process that has opened the inbox.
type process struct {
	c      *check
	box    inbox.Inbox
	closes func()

	mu           sync.Mutex
	deadLettered []inbox.Entry // the arguments of OnDeadLetter
}

// open opens the inbox of the case in another process. Unset fields of the policy get a short backoff and a long drain,
// so that only what a case intends is canceled.
func (c *check) open(p inbox.Policy) *process {
	c.Helper()
	s := &process{c: c}
	if p.Backoff == nil {
		p.Backoff = func(int) time.Duration { return backoff }
	}
	if p.DrainTimeout == 0 {
		p.DrainTimeout = 2 * c.Patience
	}
	if p.Logger == nil {
		p.Logger = slog.New(slog.NewJSONHandler(c.log, nil))
	}
	alert := p.OnDeadLetter
	p.OnDeadLetter = func(ctx context.Context, e inbox.Entry) {
		s.mu.Lock()
		s.deadLettered = append(s.deadLettered, e)
		s.mu.Unlock()
		if alert != nil {
			alert(ctx, e)
		}
	}
	s.box, s.closes = c.Open(c, c.rule.name, p)
	return s
}

// backoff is the backoff of failed deliveries unless a case sets another.
const backoff = 5 * time.Millisecond

// alerts returns the IDs of the deliveries that OnDeadLetter was called for, in the order of the calls.
func (s *process) alerts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(s.deadLettered))
	for i, e := range s.deadLettered {
		ids[i] = e.Delivery.ID
	}
	return ids
}

// awaitAlerts waits until OnDeadLetter has been called n times.
func (c *check) awaitAlerts(s *process, n int) {
	c.Helper()
	c.awaitf(func() bool { return len(s.alerts()) >= n }, func() any { return s.alerts() }, "OnDeadLetter had not been called %d times", n)
	if got := s.alerts(); len(got) > n {
		c.brokenf("OnDeadLetter had been called %d times rather than %d: %q", len(got), n, got)
	}
}

// storeOf returns the store that the handlers of the case share.
func (c *check) storeOf(box inbox.Inbox) idempotency.Store {
	if own := box.Store(); own != nil && c.Options.Store == nil {
		return own
	}
	if c.store == nil && c.Options.Store != nil {
		c.store = c.Options.Store(c)
	}
	if c.store == nil {
		c.store = c.memory()
	}
	return c.store
}

// storeFor returns the store option of the handlers: nil if they must use the inbox's store.
func (c *check) storeFor(box inbox.Inbox) idempotency.Store {
	if box.Store() != nil && c.Options.Store == nil {
		return nil
	}
	return c.storeOf(box)
}

// memory returns a new store in memory.
func (c *check) memory() idempotency.Store {
	c.Helper()
	m, err := idempotency.NewMemory(nil)
	if err != nil {
		c.Fatal(err)
	}
	return m
}

// enqueue passes a delivery directly to the inbox.
func (s *process) enqueue(d *webhook.Delivery) (duplicate bool) {
	s.c.Helper()
	ctx, cancel := s.c.callTimeout()
	defer cancel()
	duplicate, err := s.box.Enqueue(ctx, d)
	if err != nil && (!duplicate || !errors.Is(err, webhook.ErrOtherContent)) {
		s.c.brokenf("Enqueue of the delivery %.40q failed: %v", d.ID, err)
	}
	return duplicate
}

// callTimeout returns a context with the timeout of one call.
func (c *check) callTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.Patience)
}

// A run is one Run of an inbox.
type run struct {
	c        *check
	cancel   context.CancelFunc
	returned chan struct{}
	err      error // valid after returned is closed
}

// run calls Run in a goroutine, until the end of the case or until the run is stopped.
func (s *process) run(handlers ...*handler) *run {
	return s.runUnder(context.Background(), handlers...)
}

func (s *process) runUnder(parent context.Context, handlers ...*handler) *run {
	ctx, cancel := context.WithCancel(parent)
	r := &run{c: s.c, cancel: cancel, returned: make(chan struct{})}
	s.c.runs = append(s.c.runs, r)
	go func() {
		defer close(r.returned)
		r.err = s.box.Run(ctx, handlersOf(handlers)...)
	}()
	return r
}

func handlersOf(handlers []*handler) []inbox.Handler {
	list := make([]inbox.Handler, len(handlers))
	for i, h := range handlers {
		list[i] = h
	}
	return list
}

// isReturned reports whether Run has returned.
func (r *run) isReturned() bool {
	select {
	case <-r.returned:
		return true
	default:
		return false
	}
}

// result waits for Run to return and returns its error.
func (r *run) result() error {
	r.c.Helper()
	r.c.awaitf(r.isReturned, nil, "Run had not returned")
	return r.err
}

// stop ends the context of Run, which must return without an error.
func (r *run) stop() {
	r.c.Helper()
	r.cancel()
	if err := r.result(); err != nil {
		r.c.brokenf("Run returned an error after its context had ended: %v", err)
	}
}

// A call is one call of a callback.
type call struct {
	delivery     *webhook.Delivery
	began, ended time.Time // it runs while ended is zero
}

// calls records the calls of all callbacks of a case.
type calls struct {
	mu      sync.Mutex
	list    map[string][]*call // by the delivery's ID
	running map[string]int     // how many run now, by vendor, by vendor/endpoint, and in total under the empty name
	peak    map[string]int     // the highest values of running
}

func (l *calls) record(ctx context.Context, d *webhook.Delivery, callback callback) error {
	one := &call{delivery: d}
	l.begin(one)
	defer l.end(one)
	return callback(ctx, d)
}

func (l *calls) begin(one *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list, l.running, l.peak = make(map[string][]*call), make(map[string]int), make(map[string]int)
	}
	l.list[one.delivery.ID] = append(l.list[one.delivery.ID], one)
	for _, name := range one.names() {
		l.running[name]++
		l.peak[name] = max(l.peak[name], l.running[name])
	}
	one.began = time.Now()
}

func (l *calls) end(one *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one.ended = time.Now()
	for _, name := range one.names() {
		l.running[name]--
	}
}

func (one *call) names() []string {
	return []string{"", one.delivery.Vendor, one.delivery.Vendor + "/" + one.delivery.Endpoint}
}

// count returns how many calls for a delivery have begun.
func (l *calls) count(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list[id])
}

// total returns how many calls have begun.
func (l *calls) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.list {
		n += len(list)
	}
	return n
}

// of returns the calls for a delivery so far, in the order in which they began.
func (l *calls) of(id string) []call {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]call, len(l.list[id]))
	for i, one := range l.list[id] {
		list[i] = *one
	}
	return list
}

// call returns the nth call for a delivery, which must have been made.
func (c *check) call(id string, n int) call {
	c.Helper()
	list := c.calls.of(id)
	if len(list) < n {
		c.brokenf("the callback for %.40q had been called %d times rather than %d", id, len(list), n)
	}
	return list[n-1]
}

// now returns how many callbacks run now: see calls.running.
func (l *calls) now() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.running)
}

// peakOf returns the highest number of callbacks of that name that ran at the same time.
func (l *calls) peakOf(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peak[name]
}

// awaitCalls waits until the callback has been called n times for each of the deliveries, and has returned.
func (c *check) awaitCalls(n int, ids ...string) {
	c.Helper()
	for _, id := range ids {
		c.awaitf(func() bool {
			list := c.calls.of(id)
			return len(list) >= n && !list[n-1].ended.IsZero()
		}, func() any { return c.calls.count(id) }, "the callback for %q had not run %d times", id, n)
	}
}

// awaitStarted waits until the callback has been called for each of the deliveries for the nth time.
func (c *check) awaitStarted(n int, ids ...string) {
	c.Helper()
	for _, id := range ids {
		c.awaitf(func() bool { return c.calls.count(id) >= n }, func() any { return c.calls.count(id) }, "the callback for %q had not been called %d times", id, n)
	}
}

// called checks that the callback has been called n times for each of the deliveries, and no more.
func (c *check) called(n int, when string, ids ...string) {
	c.Helper()
	for _, id := range ids {
		if got := c.calls.count(id); got != n {
			c.brokenf("%s, the callback for %q had been called %d times rather than %d", when, id, got, n)
		}
	}
}

var markers atomic.Int64

// runMarkers enqueues marker deliveries and waits until they have run. Deliveries that were due before have run by then
// too. The inbox must run the handler.
func (c *check) runMarkers(h *handler) {
	c.Helper()
	for range 3 {
		id := fmt.Sprint("marker ", markers.Add(1))
		h.sendNew(marker, id)
		c.awaitCalls(1, id)
	}
}

// A gate blocks callbacks until it is opened, even if their context ends.
type gate struct {
	passed chan struct{}
	once   sync.Once
}

func (c *check) gate() *gate {
	g := &gate{passed: make(chan struct{})}
	c.gates = append(c.gates, g)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.passed) }) }

// wait returns a callback that waits at the gate and then calls another.
func (g *gate) wait(then callback) callback {
	return func(ctx context.Context, d *webhook.Delivery) error {
		<-g.passed
		return then(ctx, d)
	}
}

// A logBuffer has the log of a case.
type logBuffer struct{ logtest.LogBuffer }

// warns reports whether a warning contains all the texts.
func (j *logBuffer) warns(texts ...string) bool {
	return j.Count(append(texts, `"level":"WARN"`)...) > 0
}
