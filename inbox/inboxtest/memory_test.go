package inboxtest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// A memory is the simplest engine that keeps every rule, except those that its fault breaks. Faults change it by methods
// in faults_test.go, or by one line here.
type memory struct {
	fault  fault
	disk   *disk
	policy inbox.Policy
	lease  time.Duration

	controls *engine.Controls

	active  engine.Runs
	ended   atomic.Bool     // a Run has returned
	oneRun  chan struct{}   // has capacity 1
	pending map[string]bool // deliveries that writesLater has not written; guarded by disk.mu
}

// A disk simulates the storage that several processes share.
type disk struct {
	mu            sync.Mutex
	records       map[string][]byte
	rows          map[string]*row           // by the key that identifies the delivery
	woken         map[chan struct{}]*memory // the channels of the Runs of all processes
	lastDeadOrder int
	listing       atomic.Bool
}

// A row is a stored delivery.
type row struct {
	id        int
	delivery  *webhook.Delivery
	state     inbox.State
	due       time.Time // when a pending row is due, and when the lease of a running row ends
	since     time.Time
	deadOrder int  // the order of dead letters
	suspect   bool // it runs as a suspect
	taken     int  // how often it was leased; fences results
	by        *memoryRun
	tried     int // counted attempts
	reruns    int
	attempts  []inbox.Attempt
}

func (r *row) name() string { return r.delivery.Vendor + "/" + r.delivery.Endpoint }

// makePending makes a row pending, due after a time.
func (r *row) makePending(after time.Duration) { r.state, r.due = inbox.Pending, time.Now().Add(after) }

func (*memory) Store() idempotency.Store                 { return nil }
func (*memory) CheckHandler(string, string, int64) error { return nil }

func (m *memory) Enqueue(_ context.Context, d *webhook.Delivery) (duplicate bool, err error) {
	if m.fault == refusesAfterRun && m.ended.Load() {
		return false, errFault
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	key := m.keyOf(d)
	known := m.disk.rows[key]
	m.pause(insertsInTwoSteps)
	if known != nil && m.fault == storesTwice {
		m.insert(fmt.Sprint(key, " copy ", len(m.disk.rows)), d)
	}
	if known != nil && !m.forgets(known) || m.pending[key] {
		if m.fault == alwaysOtherContent {
			return true, webhook.ErrOtherContent
		}
		return m.fault != duplicatesAreNew, nil
	}
	if m.fault == writesLater {
		m.pending[key] = true
		time.AfterFunc(20*time.Millisecond, func() {
			m.disk.mu.Lock()
			defer m.disk.mu.Unlock()
			m.insert(key, d)
		})
		return false, nil
	}
	m.insert(key, d)
	return false, nil
}

func (m *memory) insert(key string, d *webhook.Delivery) {
	row := &row{id: len(m.disk.rows) + 1, delivery: m.copyOf(d)}
	row.makePending(0)
	m.disk.rows[key] = row
	m.wake()
}

// wake notifies every Run.
func (m *memory) wake() {
	for woken, whose := range m.disk.woken {
		if m.fault == wakesNoRun || m.fault == wakesOnlyItself && whose != m {
			continue
		}
		select {
		case woken <- struct{}{}:
		default:
		}
	}
}

func (m *memory) Run(ctx context.Context, handlers ...inbox.Handler) error {
	d, end, err := m.active.Begin(ctx, m.limits(), m.accepted(handlers)...)
	if err != nil {
		return err
	}
	defer end()
	ctx = d.Context()
	defer m.exclusive()()
	r := &memoryRun{memory: m, ctx: ctx, dispatcher: d, shut: make(map[string]inbox.Handler)}
	woken := make(chan struct{}, 1)
	m.disk.mu.Lock()
	m.disk.woken[woken] = m
	m.disk.mu.Unlock()
	defer func() {
		m.disk.mu.Lock()
		defer m.disk.mu.Unlock()
		delete(m.disk.woken, woken)
		m.ended.Store(true)
	}()
	var renewing sync.WaitGroup
	renewing.Go(r.renew)
	defer renewing.Wait()
	for ctx.Err() == nil {
		next := time.NewTimer(r.take())
		select {
		case <-ctx.Done():
		case <-woken:
		case <-d.Freed():
		case <-d.Changed():
		case <-next.C:
		}
		next.Stop()
	}
	return r.drain()
}

func (m *memory) Add(handlers ...inbox.Handler) error {
	if m.fault == addsNothing {
		return nil
	}
	return m.active.Add(m.accepted(handlers)...)
}

func (m *memory) Remove(handlers ...inbox.Handler) {
	if m.fault != removesNothing {
		m.active.Remove(handlers...)
	}
}

func (m *memory) Shutdown(ctx context.Context) error {
	if m.fault == ignoresDeadline {
		m.active.Close()
		return nil
	}
	return m.active.Shutdown(ctx)
}

// A memoryRun is one Run.
type memoryRun struct {
	*memory
	ctx        context.Context
	dispatcher *engine.Dispatcher
	shut       map[string]inbox.Handler // the handlers that have been shut down; guarded by disk.mu
}

// take starts due deliveries while slots are free, and returns how long until the next one is due.
func (r *memoryRun) take() time.Duration {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	next := time.Hour
	handlers := make(map[string]inbox.Handler)
	for _, h := range r.dispatcher.Handlers() {
		handlers[h.Vendor()+"/"+h.Endpoint()] = h
	}
	// In order, so that two Runs with takesInTwoSteps take the same row.
	for _, row := range slices.SortedFunc(maps.Values(r.disk.rows), func(a, b *row) int { return cmp.Compare(a.id, b.id) }) {
		handler := handlers[row.name()]
		if handler == nil {
			r.absent(row)
			continue
		}
		switch row.state {
		case inbox.Running:
			if time.Until(row.due) <= 0 {
				r.lose(row)
			}
		case inbox.Deferred:
			if handler.Handles(row.delivery.Type) && r.fault != neverResumes {
				row.makePending(0)
			}
		case inbox.Done, inbox.DeadLettered, inbox.Pending:
		}
		switch {
		case row.state != inbox.Pending && row.state != inbox.Running:
		case time.Until(row.due) > 0:
			next = min(next, time.Until(row.due))
		case row.state == inbox.Pending && r.shut[row.name()] != handler && r.mayRun(row) && r.reserve(row):
			r.pause(takesInTwoSteps)
			r.begin(row)
		}
	}
	return next
}

// renew renews the leases of this Run until it drains. A real engine renews while it drains, too.
func (r *memoryRun) renew() {
	tick := time.NewTicker(max(r.lease/3, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
		r.disk.mu.Lock()
		for _, row := range r.disk.rows {
			if row.state == inbox.Running && row.by == r && r.fault != renewsNothing {
				row.due = time.Now().Add(r.leaseOf())
			}
		}
		r.disk.mu.Unlock()
	}
}

// lose ends the lease of a lost process.
func (r *memoryRun) lose(row *row) {
	row.taken++
	d := engine.Lose(&r.policy, row.tried, row.suspect || r.fault == lossesCountAtOnce, time.Now(), "lost")
	if r.fault == lossesHaveNoBackoff {
		d.After = 0
	}
	row.makePending(d.After)
	if r.fault != lossesLeaveNoTrace {
		row.attempts = engine.Append(row.attempts, d.Attempt)
		if d.Attempt.Counted {
			row.tried++
		}
		if d.Disposition == engine.DeadLetter && r.fault != lossesNeverDeadLetter {
			r.deadLetter(row)
		}
	}
}

// mayRun reports whether a row may run now: one suspect at a time may.
func (r *memoryRun) mayRun(row *row) bool {
	row.suspect = engine.IsSuspect(row.attempts)
	return !row.suspect || r.fault == suspectsRunTogether || r.active.ReserveSuspect()
}

func (r *memoryRun) begin(row *row) {
	row.state, row.due = inbox.Running, time.Now().Add(r.leaseOf())
	row.taken, row.by = row.taken+1, r
	taken := row.taken
	suspect := row.suspect
	r.dispatcher.Go(r.deliveryOf(row), r.attemptOf(row), func(d engine.Decision) {
		r.disk.mu.Lock()
		defer r.disk.mu.Unlock()
		if suspect {
			r.active.FreeSuspect()
			r.wake()
		}
		if !r.fails(d) && (row.taken == taken || r.fault == unfenced) {
			r.settle(row, r.applyFault(d))
			r.wake()
		}
	})
}

// settle records the outcome of a delivery that has run.
func (r *memoryRun) settle(row *row, d engine.Decision) {
	row.attempts = r.appended(row.attempts, d.Attempt)
	if d.Attempt.Counted {
		row.tried++
	}
	if d.Attempt.Reason == webhook.ReasonShuttingDown && r.fault != spins {
		for _, h := range r.dispatcher.Handlers() {
			if h.Vendor()+"/"+h.Endpoint() == row.name() {
				r.shut[row.name()] = h // otherwise it would be taken again and again
			}
		}
	}
	switch d.Disposition {
	case engine.Complete:
		row.state, row.since = inbox.Done, time.Now()
	case engine.DeadLetter:
		r.deadLetter(row)
	case engine.Defer:
		row.state = inbox.Deferred
	case engine.Retry:
		row.makePending(d.After)
		if r.fault == keepsCanceledLeases && r.ctx.Err() != nil {
			row.state, row.due = inbox.Running, time.Now().Add(r.lease)
		}
	}
}

func (r *memoryRun) deadLetter(row *row) {
	r.disk.lastDeadOrder++
	row.state, row.since, row.deadOrder = inbox.DeadLettered, time.Now(), r.disk.lastDeadOrder
	e := r.entry(row)
	if r.fault == alertsTooEarly {
		row.state, row.due = inbox.Running, time.Now().Add(time.Hour)
		time.AfterFunc(20*time.Millisecond, func() {
			r.disk.mu.Lock()
			defer r.disk.mu.Unlock()
			row.state = inbox.DeadLettered
		})
	}
	r.disk.mu.Unlock() // OnDeadLetter may call the inbox
	defer r.disk.mu.Lock()
	r.alert(e)
}

func (m *memory) DeadLetters(_ context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
	return func(yield func(inbox.Entry, error) bool) {
		m.disk.mu.Lock()
		rows, err := m.find(f)
		entries := make([]inbox.Entry, len(rows))
		for i, row := range rows {
			entries[i] = m.entry(row)
		}
		m.disk.mu.Unlock()
		if err != nil {
			yield(inbox.Entry{}, err)
			return
		}
		m.disk.listing.Store(true)
		defer m.disk.listing.Store(false)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) Stats(context.Context) (inbox.Stats, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	stats := inbox.Stats{Endpoints: make(map[string]inbox.Counts)}
	for _, row := range m.disk.rows {
		state := m.countedAs(row)
		stats.Add(state, 1)
		counts := stats.Endpoints[row.name()]
		counts.Add(state, 1)
		stats.Endpoints[row.name()] = counts
		if row.state == inbox.Pending && m.isDue(row) && (stats.Oldest.IsZero() || row.due.Before(stats.Oldest)) {
			stats.Oldest = row.due
		}
	}
	m.applyStatsFault(&stats)
	return stats, nil
}

// find returns the dead letters that the filter selects, the oldest first.
func (m *memory) find(f inbox.Filter) ([]*row, error) {
	checked := f
	if f.ID != "" && f.State == inbox.Done {
		checked.State = "" // see Rerun
	}
	if err := engine.CheckFilter(checked); err != nil && m.fault != emptyIsAll {
		return nil, err
	}
	var found []*row
	for _, row := range m.disk.rows {
		if e := m.entry(row); row.state == m.stateOf(f) && m.matches(f, &e) {
			found = append(found, row)
		}
	}
	if f.ID != "" && len(found) == 0 && m.fault != findsNothing {
		return nil, inbox.ErrNotFound
	}
	slices.SortFunc(found, func(a, b *row) int { return cmp.Compare(a.deadOrder, b.deadOrder) })
	if m.fault == newestFirst {
		slices.Reverse(found)
	}
	return found, nil
}

func (m *memory) entry(row *row) inbox.Entry {
	return inbox.Entry{ID: m.idOf(row), State: row.state, Delivery: row.delivery, Attempts: slices.Clone(row.attempts), Since: row.since}
}

func (m *memory) Retry(ctx context.Context, f inbox.Filter) (int, error) {
	return m.audited(ctx, inbox.ActionRetry, f, func(row *row) {
		row.makePending(0)
		row.tried = 0
		m.applyRetryFault(row)
	})
}

func (m *memory) Rerun(ctx context.Context, f inbox.Filter) (int, error) {
	if e, err := m.Entry(ctx, f.ID); err == nil && e.State == inbox.Done && f.State == "" && m.fault != neverRerunsDone {
		if e.Delivery.Body == nil {
			return 0, inbox.ErrNotFound
		}
		f.State = inbox.Done
	}
	return m.audited(ctx, inbox.ActionRerun, f, func(row *row) {
		row.makePending(0)
		row.tried = 0
		row.reruns++
		if m.fault == rerunsUnderOneKey {
			row.reruns = 1
		}
	})
}

func (m *memory) Discard(ctx context.Context, f inbox.Filter) (int, error) {
	return m.audited(ctx, inbox.ActionDiscard, f, func(row *row) {
		row.state, row.since = inbox.Done, time.Now()
		d := *row.delivery
		d.Body = nil
		row.delivery = &d
		if m.fault == discardForgets {
			row.state = forgotten
		}
	})
}

func (m *memory) each(f inbox.Filter, do func(*row)) (int, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.fault == lockedWhileListed && m.disk.listing.Load() {
		return 0, errFault
	}
	rows, err := m.find(f)
	m.pause(operatesInTwoSteps)
	for _, row := range rows {
		do(row)
	}
	m.wake()
	if m.fault == countsOne {
		return min(len(rows), 1), err
	}
	return len(rows), err
}

// openMemory returns an Open of engines with a fault.
func openMemory(f fault, lease time.Duration) func(testing.TB, string, inbox.Policy) (inbox.Inbox, func()) {
	var mu sync.Mutex
	disks := make(map[string]*disk)
	return func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
		p, err := engine.WithDefaults(p)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if disks[name] == nil || f == losesOnReopen {
			disks[name] = &disk{rows: make(map[string]*row), records: make(map[string][]byte), woken: make(map[chan struct{}]*memory)}
		}
		m := &memory{fault: f, disk: disks[name], policy: p, lease: lease, oneRun: make(chan struct{}, 1), pending: make(map[string]bool)}
		m.controls = engine.NewControls(memoryRecords{m})
		m.active.Controls = m.controls
		m.reopened()
		return m, func() {}
	}
}
