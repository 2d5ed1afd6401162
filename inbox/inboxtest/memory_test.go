package inboxtest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A memory is the plainest engine that keeps every rule, or all but those that its fault breaks. All that a fault
// changes stands in faults_test.go, or is one line here.
type memory struct {
	fault  fault
	disk   *disk
	policy inbox.Policy
	lease  time.Duration

	active  inbox.Runs
	ended   atomic.Bool     // a Run has returned
	oneRun  chan struct{}   // has room for one
	pending map[string]bool // what writesLater has not written; under the disk's lock
}

// A disk is what a memory engine has in place of a disk: what outlives its processes.
type disk struct {
	mu      sync.Mutex
	rows    map[string]*row           // by the key that a delivery is recognised by
	woken   map[chan struct{}]*memory // those of the Runs of all processes
	deaths  int
	listing atomic.Bool
}

// A row is a stored delivery.
type row struct {
	id       int
	delivery *webhook.Delivery
	state    inbox.State
	due      time.Time // of a pending one; of a running one the end of its lease
	since    time.Time
	death    int  // orders the dead
	alone    bool // it runs as a suspect
	taken    int  // what comes of an earlier taking is void
	tried    int  // of MaxAttempts
	reruns   int
	attempts []inbox.Attempt
}

func (r *row) name() string { return r.delivery.Vendor + "/" + r.delivery.Endpoint }

// pend has a row run, or run again.
func (r *row) pend(after time.Duration) { r.state, r.due = inbox.Pending, time.Now().Add(after) }

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
		if m.fault == alwaysOther {
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
	row.pend(0)
	m.disk.rows[key] = row
	m.wake()
}

// wake has every Run look for work.
func (m *memory) wake() {
	for woken, whose := range m.disk.woken {
		if m.fault == wakesNobody || m.fault == wakesItself && whose != m {
			continue
		}
		select {
		case woken <- struct{}{}:
		default:
		}
	}
}

func (m *memory) Run(ctx context.Context, hooks ...inbox.Hook) error {
	d, end, err := m.active.Begin(ctx, m.limits(), m.accepted(hooks)...)
	if err != nil {
		return err
	}
	defer end()
	ctx = d.Context()
	defer m.alone()()
	r := &memoryRun{memory: m, ctx: ctx, dispatcher: d, shut: make(map[string]inbox.Hook)}
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

func (m *memory) Add(hooks ...inbox.Hook) error {
	if m.fault == addsNothing {
		return nil
	}
	return m.active.Add(m.accepted(hooks)...)
}

func (m *memory) Remove(hooks ...inbox.Hook) {
	if m.fault != removesNothing {
		m.active.Remove(hooks...)
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
	dispatcher *inbox.Dispatcher
	shut       map[string]inbox.Hook // the handlers that have been shut down; under the disk's lock
}

// take starts what is due, as far as there are places, and returns how long until something will be.
func (r *memoryRun) take() time.Duration {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	next := time.Hour
	hooks := make(map[string]inbox.Hook)
	for _, h := range r.dispatcher.Hooks() {
		hooks[h.Vendor()+"/"+h.Endpoint()] = h
	}
	for _, row := range r.disk.rows {
		hook := hooks[row.name()]
		if hook == nil {
			r.absent(row)
			continue
		}
		switch row.state {
		case inbox.Running:
			if time.Until(row.due) <= 0 {
				r.lose(row)
			}
		case inbox.Waiting:
			if hook.Handles(row.delivery.Type) && r.fault != waitsForGood {
				row.pend(0)
			}
		case inbox.Done, inbox.Dead, inbox.Pending:
		}
		switch {
		case row.state != inbox.Pending && row.state != inbox.Running:
		case time.Until(row.due) > 0:
			next = min(next, time.Until(row.due))
		case row.state == inbox.Pending && r.shut[row.name()] != hook && r.turnOf(row) && r.reserve(row):
			r.pause(takesInTwoSteps)
			r.begin(row)
		}
	}
	return next
}

// lose takes a delivery away from a process that has not been heard of for as long as its lease was.
func (r *memoryRun) lose(row *row) {
	row.taken++
	d := r.policy.Lose(row.tried, row.alone || r.fault == lossesCountAtOnce, time.Now(), "lost")
	if r.fault == lossesHaveNoBackoff {
		d.After = 0
	}
	row.pend(d.After)
	if r.fault != lossesLeaveNoTrace {
		row.attempts = inbox.Append(row.attempts, d.Attempt)
		if d.Attempt.Counted {
			row.tried++
		}
		if d.Verdict == inbox.Bury && r.fault != lossesDoNotBury {
			r.bury(row)
		}
	}
}

// turnOf reports whether a row may run next to those that run in this process: one suspect may.
func (r *memoryRun) turnOf(row *row) bool {
	row.alone = inbox.IsSuspect(row.attempts)
	return !row.alone || r.fault == suspectsRunTogether || r.active.ReserveSuspect()
}

func (r *memoryRun) begin(row *row) {
	row.state, row.due = inbox.Running, time.Now().Add(r.leaseOf())
	row.taken++
	taken := row.taken
	alone := row.alone
	r.dispatcher.Go(r.deliveryOf(row), r.attemptOf(row), func(d inbox.Decision) {
		r.disk.mu.Lock()
		defer r.disk.mu.Unlock()
		if alone {
			r.active.FreeSuspect()
			r.wake()
		}
		if !r.fails(d) && (row.taken == taken || r.fault == unfenced) {
			r.settle(row, r.spoil(d))
			r.wake()
		}
	})
}

// settle puts down what becomes of a delivery that was run.
func (r *memoryRun) settle(row *row, d inbox.Decision) {
	row.attempts = r.appended(row.attempts, d.Attempt)
	if d.Attempt.Counted {
		row.tried++
	}
	if d.Attempt.Reason == webhook.ReasonShuttingDown && r.fault != spins {
		for _, h := range r.dispatcher.Hooks() {
			if h.Vendor()+"/"+h.Endpoint() == row.name() {
				r.shut[row.name()] = h // it would be taken again and again
			}
		}
	}
	switch d.Verdict {
	case inbox.Finish:
		row.state, row.since = inbox.Done, time.Now()
	case inbox.Bury:
		r.bury(row)
	case inbox.Shelve:
		row.state = inbox.Waiting
	case inbox.Again:
		row.pend(d.After)
		if r.fault == keepsWhatWasCancelled && r.ctx.Err() != nil {
			row.state, row.due = inbox.Running, time.Now().Add(r.lease)
		}
	}
}

func (r *memoryRun) bury(row *row) {
	r.disk.deaths++
	row.state, row.since, row.death = inbox.Dead, time.Now(), r.disk.deaths
	e := r.entry(row)
	if r.fault == alertsTooEarly {
		row.state, row.due = inbox.Running, time.Now().Add(time.Hour)
		time.AfterFunc(20*time.Millisecond, func() {
			r.disk.mu.Lock()
			defer r.disk.mu.Unlock()
			row.state = inbox.Dead
		})
	}
	r.disk.mu.Unlock() // OnDead may well look into the inbox
	defer r.disk.mu.Lock()
	r.alert(e)
}

func (m *memory) Dead(_ context.Context, f inbox.Filter) iter.Seq2[inbox.Entry, error] {
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

// find returns the dead that the filter selects, the longest dead first.
func (m *memory) find(f inbox.Filter) ([]*row, error) {
	if err := f.Check(); err != nil && m.fault != emptyIsAll {
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
	slices.SortFunc(found, func(a, b *row) int { return cmp.Compare(a.death, b.death) })
	if m.fault == newestFirst {
		slices.Reverse(found)
	}
	return found, nil
}

func (m *memory) entry(row *row) inbox.Entry {
	return inbox.Entry{ID: m.idOf(row), State: row.state, Delivery: row.delivery, Attempts: slices.Clone(row.attempts), Since: row.since}
}

func (m *memory) Retry(_ context.Context, f inbox.Filter) (int, error) {
	return m.each(f, func(row *row) {
		row.pend(0)
		row.tried = 0
		m.spoilRetried(row)
	})
}

func (m *memory) Rerun(_ context.Context, f inbox.Filter) (int, error) {
	return m.each(f, func(row *row) {
		row.pend(0)
		row.tried = 0
		row.reruns++
		if m.fault == rerunsUnderOneKey {
			row.reruns = 1
		}
	})
}

func (m *memory) Discard(_ context.Context, f inbox.Filter) (int, error) {
	return m.each(f, func(row *row) {
		row.state, row.since = inbox.Done, time.Now()
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
	for _, row := range rows {
		do(row)
	}
	m.wake()
	if m.fault == countsOne {
		return min(len(rows), 1), err
	}
	return len(rows), err
}

// openMemory returns an Open of engines with that fault.
func openMemory(f fault, lease time.Duration) func(testing.TB, string, inbox.Policy) (inbox.Inbox, func()) {
	var mu sync.Mutex
	disks := make(map[string]*disk)
	return func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
		p, err := p.WithDefaults()
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if disks[name] == nil || f == losesOnReopen {
			disks[name] = &disk{rows: make(map[string]*row), woken: make(map[chan struct{}]*memory)}
		}
		m := &memory{fault: f, disk: disks[name], policy: p, lease: lease, oneRun: make(chan struct{}, 1), pending: make(map[string]bool)}
		m.reopened()
		return m, func() {}
	}
}
