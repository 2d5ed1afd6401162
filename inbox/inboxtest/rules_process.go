package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// processRules are the rules for several processes, which may crash.
var processRules = []rule{{
	name: "AnyProcessRunsStoredDeliveries",
	text: "A delivery that one process has stored runs in another process that has a Run.",
	check: func(c *check) {
		takes, runs := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		h := runs.handler(acme, plain).on(ping, succeed)
		runs.run(h)
		c.runMarkers(h)
		time.Sleep(tick) // the Run is idle
		takes.handler(acme, plain).sendNew(ping, "a")
		c.awaitCalls(1, "a")
	},
}, {
	name: "ProcessesShareDeliveries",
	text: "If several processes have a Run, each delivery runs once, in one of them.",
	check: func(c *check) {
		for try := range 10 {
			began := time.Now()
			twice := c.share(fmt.Sprint("round ", try))
			if twice == "" {
				return
			}
			if took := time.Since(began); took < c.Lease {
				c.brokenf("within %v, %s", took, twice)
			}
		}
		c.slowf("running a few deliveries takes longer than a lease of %v", c.Lease)
	},
}, {
	name: "LostDeliveryIsRetried",
	text: "If a callback does not return although it was canceled, Run returns a DrainError that names it. Its delivery runs elsewhere once the lease has ended, not earlier. The lost attempt is in its history and does not count.",
	check: func(c *check) {
		began := time.Now()
		a := c.startStuck(inbox.Policy{MaxAttempts: 2}, fails(errLate), "a")
		b := c.open(inbox.Policy{MaxAttempts: 2})
		b.run(b.handlerWithStore(acme, plain, c.memory()).on(ping, fails(errCallback)))
		a.abandon("a")
		c.awaitStarted(2, "a")
		if took := c.call("a", 2).began.Sub(began); took < c.Lease-tick {
			c.brokenf("it ran elsewhere after %v, and a lease is %v", took, c.Lease)
		}
		e := c.awaitDeadLetters(b, "a")["a"]
		failed := attempt{webhook.Failed, true, errCallback.Error()}
		c.history(e, attempt{inbox.Lost, false, ""}, failed, failed)
	},
}, {
	name: "LongCallbackKeepsLease",
	text: "While a callback runs, its lease is renewed, however long it takes, so that the delivery does not run elsewhere. Once its process is lost, it does.",
	check: func(c *check) {
		for try := range 10 {
			id := fmt.Sprint("try ", try)
			a, b := c.startStuck(inbox.Policy{}, succeed, id), c.open(inbox.Policy{})
			other := b.run(b.handlerWithStore(acme, plain, c.memory()).on(ping, succeed))
			for began := time.Now(); time.Since(began) < longLeases*c.Lease && c.calls.count(id) == 1; time.Sleep(tick) {
			}
			if c.calls.count(id) == 1 {
				a.abandon(id)
				c.awaitStarted(2, id)
				return
			}
			// The machine may have been too slow to renew the lease, and to end the callback within the grace second.
			a.gate.open()
			a.run.cancel()
			_ = a.run.result()
			other.stop()
		}
		c.brokenf("in each of ten tries, it ran in two processes at once")
	},
}, {
	name: "CrashingDeliveryIsDeadLettered",
	text: "A delivery that was lost with a process, and then MaxAttempts times as a suspect, is a dead letter.",
	check: func(c *check) {
		c.startStuck(inbox.Policy{MaxAttempts: 1}, fails(errLate), "a").abandon("a")
		c.startStuckAgain(inbox.Policy{MaxAttempts: 1}, fails(errLate), 2, "a").abandon("a")
		b := c.open(inbox.Policy{MaxAttempts: 1})
		h := b.handlerWithStore(acme, plain, c.memory()).on(ping, succeed)
		b.run(h)
		e := c.awaitDeadLetters(b, "a")["a"]
		c.history(e, attempt{inbox.Lost, false, ""}, attempt{inbox.Lost, true, ""})
		c.awaitAlerts(b, 1)
		c.runMarkers(h)
		c.called(2, "after it was lost", "a")
	},
}, {
	name: "SuspectsRunOneAtATime",
	text: "Deliveries that were lost with a process run again after the backoff. They run one at a time, next to other deliveries.",
	check: func(c *check) {
		const delay = 300 * time.Millisecond
		p := inbox.Policy{MaxAttempts: 1, Backoff: func(int) time.Duration { return delay }}
		ids := []string{"a", "b", "c", "d"}
		began := time.Now()
		a := c.startStuck(p, fails(errLate), ids...)
		a.abandon(ids...)
		b := c.open(p)
		var running, most atomic.Int64
		h := b.handlerWithStore(acme, plain, c.memory()).on(ping, func(ctx context.Context, d *webhook.Delivery) error {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(5 * tick)
			return nil
		})
		again := time.Now()
		b.run(h)
		c.awaitf(func() bool {
			return slices.ContainsFunc(ids, func(id string) bool { return c.calls.count(id) == 2 })
		}, nil, "none of them had run again")
		c.runMarkers(h)
		c.awaitCalls(2, ids...)
		if n := most.Load(); n != 1 {
			c.brokenf("%d of them ran at the same time", n)
		}
		for _, id := range ids {
			second := c.call(id, 2).began
			if took := second.Sub(began); took < c.Lease+delay-2*tick || second.Sub(again) < delay-2*tick {
				c.brokenf("%q ran again after %v, and a lease is %v and the backoff %v", id, took, c.Lease, delay)
			}
		}
		c.onlyDeadLetters(b, inbox.Filter{All: true}, "after they were lost")
	},
}, {
	name: "LateResultChangesNothing",
	text: "If another process has taken a delivery after its lease ended, a late result of the first callback changes nothing.",
	check: func(c *check) {
		a := c.startStuck(inbox.Policy{}, late, "permanent", "failed")
		a.abandon("permanent", "failed")
		b := c.open(inbox.Policy{})
		h := b.handlerWithStore(acme, plain, c.memory()).on(ping, succeed)
		b.run(h)
		c.awaitCalls(2, "permanent", "failed")
		for _, id := range []string{"permanent", "failed"} {
			c.awaitOutcomes(h, id, 1)
		}
		c.runMarkers(h)
		a.gate.open()
		for _, id := range []string{"permanent", "failed"} {
			c.awaitOutcomes(a.handler, id, 1)
		}
		time.Sleep(5 * tick)
		a.closes()
		c.runMarkers(h)
		c.onlyDeadLetters(b, inbox.Filter{All: true}, "after the late results")
		for _, id := range []string{"permanent", "failed"} {
			if got := h.outcomes(id); !slices.Equal(got, []webhook.Outcome{webhook.Handled}) {
				c.brokenf("the outcomes of %q elsewhere were %v", id, got)
			}
		}
	},
}}

// longLeases is how many leases a long callback takes: the first must be renewed, and so must a renewed one.
const longLeases = 3

// errLate is the error of a callback that returns long after its process was abandoned.
var errLate = errors.New("the callback returned late")

// late fails as the ID of the delivery requests.
func late(_ context.Context, d *webhook.Delivery) error {
	if d.ID == "permanent" {
		return webhook.Permanent(errLate)
	}
	return errLate
}

// share runs deliveries in two processes that have both stored some. It reports one that ran twice.
func (c *check) share(name string) (twice string) {
	c.Helper()
	const deliveries = 40
	var processes []*process
	var handlers []*handler
	for range 2 {
		s := c.open(inbox.Policy{})
		processes = append(processes, s)
		// Each has a separate store, so that only the inbox prevents a second run.
		handlers = append(handlers, s.handlerWithStore(acme, plain, c.memory()).on(ping, succeed))
	}
	runs := []*run{processes[0].run(handlers[0]), processes[1].run(handlers[1])}
	ids := make([]string, deliveries)
	for i := range ids {
		ids[i] = fmt.Sprint(name, ", ", i)
		handlers[i%2].sendNew(ping, ids[i])
	}
	c.awaitCalls(1, ids...)
	c.runMarkers(handlers[0])
	for _, r := range runs {
		r.stop()
	}
	for _, s := range processes {
		s.closes()
	}
	for _, id := range ids {
		if n := c.calls.count(id); n != 1 {
			twice = fmt.Sprintf("%q was run %d times", id, n)
		}
	}
	return twice
}

// An abandonedProcess is a process whose Run returns while its callbacks still run.
type abandonedProcess struct {
	*process

	handler *handler
	gate    *gate
	run     *run
}

// startStuck runs deliveries in a process and returns once their callbacks have begun. The callbacks ignore their
// context, and block until the gate is opened.
func (c *check) startStuck(p inbox.Policy, then callback, ids ...string) *abandonedProcess {
	c.Helper()
	return c.startStuckAgain(p, then, 1, ids...)
}

// startStuckAgain is startStuck for deliveries whose callbacks are called for the nth time.
func (c *check) startStuckAgain(p inbox.Policy, then callback, n int, ids ...string) *abandonedProcess {
	c.Helper()
	p.DrainTimeout = tick
	w := &abandonedProcess{process: c.open(p), gate: c.gate()}
	w.handler = w.handlerWithStore(acme, plain, c.memory()).on(ping, w.gate.wait(then))
	if n == 1 {
		w.handler.sendNew(ping, ids...)
	}
	w.run = w.process.run(w.handler)
	c.awaitStarted(n, ids...)
	return w
}

// abandon ends the Run while the callbacks of those deliveries still run.
func (w *abandonedProcess) abandon(ids ...string) {
	c := w.c
	c.Helper()
	w.run.cancel()
	err := w.run.result()
	var drain *inbox.DrainError
	if !errors.As(err, &drain) {
		c.brokenf("while canceled callbacks still ran, Run returned %v rather than a DrainError", err)
	}
	names, want := slices.Sorted(slices.Values(drain.Left)), make([]string, len(ids))
	for i, id := range ids {
		want[i] = acme + "/" + plain + "/" + id
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		c.brokenf("the DrainError named %q rather than %q", names, want)
	}
}
