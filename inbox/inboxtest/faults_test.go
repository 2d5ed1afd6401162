package inboxtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// errFault is the error of faults that return one.
var errFault = errors.New("the engine is faulty")

// forgotten is the state of rows that a faulty engine has forgotten.
const forgotten inbox.State = "forgotten"

// pause lets other goroutines run between two steps that should be atomic.
func (m *memory) pause(f fault) {
	if m.fault == f {
		m.disk.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.disk.mu.Lock()
	}
}

// forgets reports whether the engine has forgotten a row.
func (m *memory) forgets(known *row) bool {
	switch m.fault {
	case forgetsDone:
		return known.state == inbox.Done
	case forgetsDeadLetters:
		return known.state == inbox.DeadLettered
	default:
		return known.state == forgotten
	}
}

func (m *memory) keyOf(d *webhook.Delivery) string {
	key := d.Keys[0]
	switch m.fault {
	case foldsKeys:
		return strings.ToLower(key)
	case cutsKeys:
		return key[:min(len(key), 200)]
	case otherBodyIsNew:
		return key + string(d.Body)
	case comparesAllKeys:
		return strings.Join(d.Keys, " ")
	default:
		return key
	}
}

// copyOf returns the stored copy of a delivery.
func (m *memory) copyOf(given *webhook.Delivery) *webhook.Delivery {
	d := *given
	d.Keys, d.Header, d.Body = slices.Clone(d.Keys), d.Header.Clone(), bytes.Clone(d.Body)
	switch m.fault {
	case bodyAsText:
		d.Body = bytes.ToValidUTF8(d.Body, []byte("\ufffd"))
	case bodyTrimmed:
		d.Body = bytes.TrimSpace(d.Body)
	case bodyCut:
		d.Body = d.Body[:min(len(d.Body), 1<<20-1)]
	case textEndsAtNUL:
		d.EventID, _, _ = strings.Cut(d.EventID, "\x00")
	case headerAdded:
		d.Header = map[string][]string{"Authorization": {"secret-in-a-header"}}
	case headerForgotten:
		d.Header = nil
	case headerSingle:
		for name, values := range d.Header {
			d.Header[name] = values[:1]
		}
	case timeInMilliseconds:
		d.ReceivedAt = d.ReceivedAt.Truncate(time.Millisecond)
	case storesOneKey:
		d.Keys = d.Keys[:1]
	}
	return &d
}

// countedAs returns the state that Stats counts a row in.
func (m *memory) countedAs(row *row) inbox.State {
	switch {
	case m.fault == countsDeadAsPending && row.state == inbox.DeadLettered:
		return inbox.Pending
	case m.fault == countsNoDeferred && row.state == inbox.Deferred:
		return forgotten
	case m.fault == countsDiscarded && row.state == inbox.Done && len(row.attempts) > 0 && row.attempts[0].Outcome == webhook.DeadLettered:
		return inbox.DeadLettered
	default:
		return row.state
	}
}

// isDue reports whether a row is due for Stats.
func (m *memory) isDue(row *row) bool {
	return m.fault == oldestNeverZero || !row.due.After(time.Now())
}

func (m *memory) applyStatsFault(stats *inbox.Stats) {
	switch {
	case m.fault == countsOneEndpoint && len(stats.Endpoints) > 0:
		stats.Endpoints = map[string]inbox.Counts{acme + "/" + plain: stats.Counts}
	case m.fault == countsNoTotal:
		stats.Counts = inbox.Counts{}
	case m.fault == oldestIsNow && !stats.Oldest.IsZero():
		stats.Oldest = time.Now()
	}
}

// reopened deletes what the engine has only in memory.
func (m *memory) reopened() {
	if m.fault != attemptsInMemory {
		return
	}
	for _, row := range m.disk.rows {
		row.attempts, row.tried = nil, 0
	}
}

// limits returns the policy that a Run applies.
func (m *memory) limits() inbox.Policy {
	p := m.policy
	p.Limits = maps.Clone(p.Limits)
	drop := func(endpoint bool) {
		maps.DeleteFunc(p.Limits, func(name string, _ int) bool { return strings.Contains(name, "/") == endpoint })
	}
	switch m.fault {
	case noConcurrency:
		p.Concurrency = 1000
	case noVendorLimits:
		drop(false)
	case noEndpointLimits:
		drop(true)
	case startsTooFew:
		p.Concurrency = max(1, p.Concurrency-1)
		for name, n := range p.Limits {
			p.Limits[name] = max(1, n-1)
		}
	case cancelsAtOnce:
		p.DrainTimeout = 1
	case neverAlerts, alertsInSlot:
		p.OnDeadLetter = nil
	}
	return p
}

// accepted returns the handlers that a Run uses.
func (m *memory) accepted(handlers []inbox.Handler) []inbox.Handler {
	if m.fault != takesAnyHandlers {
		return handlers
	}
	var list []inbox.Handler
	for _, h := range handlers {
		if !slices.ContainsFunc(list, func(o inbox.Handler) bool { return o.Vendor() == h.Vendor() && o.Endpoint() == h.Endpoint() }) {
			list = append(list, h)
		}
	}
	return list
}

// exclusive waits for the other Runs of the engine. done lets the next one begin.
func (m *memory) exclusive() (done func()) {
	if m.fault != oneRunAtATime {
		return func() {}
	}
	m.oneRun <- struct{}{}
	return func() { <-m.oneRun }
}

func (r *memoryRun) reserve(row *row) bool {
	n := r.dispatcher.Reserve(row.delivery.Vendor, row.delivery.Endpoint, 1)
	if n == 0 && row.suspect {
		r.active.FreeSuspect()
	}
	return n == 1 || r.fault == startsAtTheEnd && r.ctx.Err() != nil
}

func (r *memoryRun) leaseOf() time.Duration {
	switch r.fault {
	case leasesEndEarly:
		return r.lease / 2
	case leasesNeverEnd:
		return 1000 * time.Hour
	default:
		return r.lease
	}
}

// absent handles a row for which the Run has no handler.
func (r *memoryRun) absent(row *row) {
	switch r.fault {
	case warnsNothing:
	case deadLettersWithoutHandler:
		if row.state == inbox.Pending {
			r.deadLetter(row)
		}
	default:
		r.dispatcher.Absent(row.delivery.Vendor, row.delivery.Endpoint)
	}
}

func (r *memoryRun) deliveryOf(row *row) *webhook.Delivery {
	if row.reruns == 0 || r.fault == rerunsUnderOldKeys {
		return row.delivery
	}
	return row.delivery.Again(row.reruns)
}

func (r *memoryRun) attemptOf(row *row) int {
	if r.fault == alwaysFirstAttempt {
		return 1
	}
	return row.tried + 1
}

// applyFault changes a decision by the fault.
func (r *memoryRun) applyFault(d engine.Decision) engine.Decision {
	a := &d.Attempt
	switch {
	case r.fault == countsEverything,
		r.fault == countsInFlight && a.Outcome == webhook.InFlight,
		r.fault == countsShutdown && a.Reason == webhook.ReasonShuttingDown:
		a.Counted = true
	case r.fault == countsNothing,
		r.fault == countsNoPanic && a.Reason == webhook.ReasonPanic,
		r.fault == countsNoRetryAfter && a.Reason == webhook.ReasonRetryAfter:
		a.Counted = false
	case r.fault == keepsNoErrors:
		a.Error = ""
	case r.fault == noBackoff && d.Disposition == engine.Retry:
		d.After = 0
	case r.fault == backsOffInFlight && a.Outcome == webhook.InFlight,
		r.fault == backsOffRetryAfter && a.Reason == webhook.ReasonRetryAfter && d.Disposition == engine.Retry:
		d.After = r.policy.Backoff(1)
	case r.fault == overflows && time.Now().Add(d.After).Year() > 2262: // as UnixNano does
		d.After = 0
	case r.fault == retriesPermanent && a.Reason == webhook.ReasonPermanent,
		r.fault == retriesUndecodable && a.Reason == webhook.ReasonUndecodable:
		d.Disposition, d.After = engine.Retry, time.Second
	case r.fault == deadLettersTheFirst && a.Outcome == webhook.Failed,
		r.fault == deadLettersDuplicates && a.Outcome == webhook.Duplicate,
		r.fault == deadLettersUnhandled && d.Disposition == engine.Defer:
		d.Disposition = engine.DeadLetter
	case r.fault == finishesUnhandled && d.Disposition == engine.Defer:
		d.Disposition = engine.Complete
	case r.fault == retriesAtTheEnd && r.ctx.Err() != nil:
		d.Disposition, d.After = engine.Retry, 0
	}
	return d
}

// fails reports whether a decision cannot be recorded.
func (r *memoryRun) fails(d engine.Decision) bool {
	return r.fault == failsOnNUL && strings.Contains(d.Attempt.Error, "\x00")
}

func (r *memoryRun) appended(history []inbox.Attempt, a inbox.Attempt) []inbox.Attempt {
	switch r.fault {
	case keepsOneAttempt:
		return []inbox.Attempt{a}
	case keepsAllAttempts:
		return append(slices.Clone(history), a)
	case keepsWholeErrors:
		if len(a.Error) >= engine.MaxError-1 {
			a.Error = strings.Repeat(a.Error, 2)
		}
		return engine.Append(history, a)
	default:
		return engine.Append(history, a)
	}
}

// alert reports a dead letter.
func (r *memoryRun) alert(e inbox.Entry) {
	switch r.fault {
	case alertsTwice:
		r.dispatcher.DeadLetter(e)
	case alertsInSlot:
		func() {
			defer func() { _ = recover() }()
			r.policy.OnDeadLetter(r.ctx, e)
		}()
	case alertsWithoutAttempts:
		e.Attempts = nil
	}
	r.dispatcher.DeadLetter(e)
}

// drain ends a Run.
func (r *memoryRun) drain() error {
	switch r.fault {
	case doesNotWait:
		return nil
	case startsAtTheEnd:
		r.take()
	}
	err := r.dispatcher.Drain()
	if r.fault == hidesDrainError {
		return nil
	}
	return err
}

func (m *memory) idOf(row *row) string {
	if m.fault == idsByProcess {
		return fmt.Sprintf("%p/%d", m, row.id)
	}
	return fmt.Sprint(row.id)
}

// stateOf returns the state of the rows that a filter selects.
func (m *memory) stateOf(f inbox.Filter) inbox.State {
	if m.fault == ignoresState {
		return inbox.DeadLettered
	}
	return cmp.Or(f.State, inbox.DeadLettered)
}

func (m *memory) matches(f inbox.Filter, e *inbox.Entry) bool {
	switch m.fault {
	case ignoresType:
		f.Type = ""
	case ignoresTimes:
		f.From, f.Until = time.Time{}, time.Time{}
	case fromExcluded:
		f.From = f.From.Add(1)
	case untilIncluded:
		if !f.Until.IsZero() {
			f.Until = f.Until.Add(1)
		}
	case onlyMatchesID:
		if f.ID != "" {
			f = inbox.Filter{ID: f.ID}
		}
	case textIgnoredByOperations:
		f.Text = ""
	}
	f.State = ""
	return f.Matches(e)
}

func (m *memory) applyRetryFault(row *row) {
	switch m.fault {
	case retriesOnce:
		row.tried = m.policy.MaxAttempts - 1
	case retryForgets:
		row.attempts = nil
	case retryIsRerun:
		row.reruns++
	case retryUnderFirstKeys:
		row.reruns = 0
	}
}
