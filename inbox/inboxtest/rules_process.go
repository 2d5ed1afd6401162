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

// processRules are those of several processes, one of which may die.
var processRules = []rule{{
	name: "AnyProcessRunsWhatAnyHasTaken",
	says: "A delivery that one process has taken is run by another that has a Run.",
	check: func(c *check) {
		takes, runs := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		h := runs.handler(acme, plain).on(ping, succeed)
		runs.run(h)
		c.overtake(h)
		time.Sleep(tick) // it runs, and has nothing to do
		takes.handler(acme, plain).sendNew(ping, "a")
		c.awaitCalls(1, "a")
	},
}, {
	name: "ProcessesShareTheWork",
	says: "Where several processes have a Run, each delivery is run once, by one of them.",
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
	name: "DeliveryOutlivesItsProcess",
	says: "When a callback does not return although it was cancelled, Run returns a DrainError that names it. Its delivery runs elsewhere once the lease has ended, not earlier, and the attempt that was lost is in its history and does not count.",
	check: func(c *check) {
		began := time.Now()
		a := c.strand(inbox.Policy{MaxAttempts: 2}, fails(errGone), "a")
		b := c.open(inbox.Policy{MaxAttempts: 2})
		b.run(b.guarded(acme, plain, c.memory()).on(ping, fails(errCallback)))
		a.giveUp("a")
		c.awaitStarted(2, "a")
		if took := c.call("a", 2).began.Sub(began); took < c.Lease-tick {
			c.brokenf("it was run elsewhere after %v, when a lease is %v long", took, c.Lease)
		}
		e := c.awaitDeadLetters(b, "a")["a"]
		failed := attempt{webhook.Failed, true, errCallback.Error()}
		c.history(e, attempt{inbox.Lost, false, ""}, failed, failed)
	},
}, {
	name: "DeliveryThatTakesItsProcessAlongIsBuried",
	says: "A delivery that was lost with a process, and then with MaxAttempts more while it ran as a suspect, is a dead letter.",
	check: func(c *check) {
		c.strand(inbox.Policy{MaxAttempts: 1}, fails(errGone), "a").giveUp("a")
		c.strandAgain(inbox.Policy{MaxAttempts: 1}, fails(errGone), 2, "a").giveUp("a")
		b := c.open(inbox.Policy{MaxAttempts: 1})
		h := b.guarded(acme, plain, c.memory()).on(ping, succeed)
		b.run(h)
		e := c.awaitDeadLetters(b, "a")["a"]
		c.history(e, attempt{inbox.Lost, false, ""}, attempt{inbox.Lost, true, ""})
		c.awaitAlerts(b, 1)
		c.overtake(h)
		c.called(2, "after it was lost", "a")
	},
}, {
	name: "SuspectsRunOneAtATime",
	says: "Deliveries that were lost with a process are run again after the backoff, one of them at a time and next to all others.",
	check: func(c *check) {
		const rest = 300 * time.Millisecond
		p := inbox.Policy{MaxAttempts: 1, Backoff: func(int) time.Duration { return rest }}
		ids := []string{"a", "b", "c", "d"}
		began := time.Now()
		a := c.strand(p, fails(errGone), ids...)
		a.giveUp(ids...)
		b := c.open(p)
		var running, most atomic.Int64
		h := b.guarded(acme, plain, c.memory()).on(ping, func(ctx context.Context, d *webhook.Delivery) error {
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
		}, nil, "none of them had been run again")
		c.overtake(h)
		c.awaitCalls(2, ids...)
		if n := most.Load(); n != 1 {
			c.brokenf("%d of them ran at once", n)
		}
		for _, id := range ids {
			second := c.call(id, 2).began
			if took := second.Sub(began); took < c.Lease+rest-2*tick || second.Sub(again) < rest-2*tick {
				c.brokenf("%q was run again after %v, when a lease is %v long and the backoff %v", id, took, c.Lease, rest)
			}
		}
		c.onlyDeadLetters(b, inbox.Filter{All: true}, "after they were lost")
	},
}, {
	name: "LateResultChangesNothing",
	says: "What comes of a callback after its lease has ended, and another process has taken the delivery, changes nothing.",
	check: func(c *check) {
		a := c.strand(inbox.Policy{}, late, "permanent", "failed")
		a.giveUp("permanent", "failed")
		b := c.open(inbox.Policy{})
		h := b.guarded(acme, plain, c.memory()).on(ping, succeed)
		b.run(h)
		c.awaitCalls(2, "permanent", "failed")
		c.overtake(h)
		a.gate.open()
		for _, id := range []string{"permanent", "failed"} {
			c.awaitOutcomes(a.handler, id, 1)
		}
		time.Sleep(5 * tick)
		a.closes()
		c.overtake(h)
		c.onlyDeadLetters(b, inbox.Filter{All: true}, "after the late results")
		for _, id := range []string{"permanent", "failed"} {
			if got := h.outcomes(id); !slices.Equal(got, []webhook.Outcome{webhook.Handled}) {
				c.brokenf("%q was tried elsewhere with the outcomes %v", id, got)
			}
		}
	},
}}

// errGone is the error of a callback whose process has long been given up.
var errGone = errors.New("the callback has come back late")

// late fails as the delivery says.
func late(_ context.Context, d *webhook.Delivery) error {
	if d.ID == "permanent" {
		return webhook.Permanent(errGone)
	}
	return errGone
}

// share has two processes run deliveries that both have taken, and tells of one that was run twice.
func (c *check) share(name string) (twice string) {
	c.Helper()
	const deliveries = 40
	var sites []*site
	var handlers []*handler
	for range 2 {
		s := c.open(inbox.Policy{})
		sites = append(sites, s)
		// Each has a store of its own, so that nothing but the inbox keeps them apart.
		handlers = append(handlers, s.guarded(acme, plain, c.memory()).on(ping, succeed))
	}
	runs := []*run{sites[0].run(handlers[0]), sites[1].run(handlers[1])}
	ids := make([]string, deliveries)
	for i := range ids {
		ids[i] = fmt.Sprint(name, ", ", i)
		handlers[i%2].sendNew(ping, ids[i])
	}
	c.awaitCalls(1, ids...)
	c.overtake(handlers[0])
	for _, r := range runs {
		r.stop()
	}
	for _, s := range sites {
		s.closes()
	}
	for _, id := range ids {
		if n := c.calls.count(id); n != 1 {
			twice = fmt.Sprintf("%q was run %d times", id, n)
		}
	}
	return twice
}

// A wreck is a process that will be given up: its Run returns, and its callbacks do not.
type wreck struct {
	*site

	handler *handler
	gate    *gate
	run     *run
}

// strand takes deliveries in a process whose callbacks, which have been called when it returns, go on until the gate is
// opened, whatever becomes of their context.
func (c *check) strand(p inbox.Policy, then callback, ids ...string) *wreck {
	c.Helper()
	return c.strandAgain(p, then, 1, ids...)
}

// strandAgain is strand for deliveries whose callbacks are called for the nth time.
func (c *check) strandAgain(p inbox.Policy, then callback, n int, ids ...string) *wreck {
	c.Helper()
	p.DrainTimeout = tick
	w := &wreck{site: c.open(p), gate: c.gate()}
	w.handler = w.guarded(acme, plain, c.memory()).on(ping, w.gate.wait(then))
	if n == 1 {
		w.handler.sendNew(ping, ids...)
	}
	w.run = w.site.run(w.handler)
	c.awaitStarted(n, ids...)
	return w
}

// giveUp ends the Run, which leaves those deliveries.
func (w *wreck) giveUp(ids ...string) {
	c := w.c
	c.Helper()
	w.run.cancel()
	err := w.run.result()
	var drain *inbox.DrainError
	if !errors.As(err, &drain) {
		c.brokenf("while callbacks went on though cancelled, Run returned %v rather than a DrainError", err)
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
