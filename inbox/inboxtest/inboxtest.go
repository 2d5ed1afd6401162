// Package inboxtest tests an engine against all rules of [inbox.Inbox].
package inboxtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
)

// Options configures [Run].
type Options struct {
	// Open opens the inbox of a name, which has only letters, with a policy. The same name opens the same stored
	// deliveries; another name opens others. No deliveries are stored when a case begins. Each open inbox simulates a
	// process, so several of one name may be open at the same time.
	//
	// closes closes the inbox. It may be called twice. It is not called before every Run of that inbox has returned. Open
	// must also register it with t.Cleanup. Required.
	Open func(t testing.TB, name string, p inbox.Policy) (box inbox.Inbox, closes func())

	// Store returns the store that guards the callbacks of one case, in all its processes. Defaults to the inbox's store
	// if it has one, and to one in memory otherwise.
	Store func(t testing.TB) idempotency.Store

	// Lease is how long the inboxes that Open opens lease a delivery. After that, the delivery of a lost process runs
	// again. Cases wait for it to pass, so callbacks must end sooner unless a case requires otherwise. Defaults to 2
	// seconds.
	Lease time.Duration

	// Patience is how long the cases wait for an expected event. It only limits a hang: choose it longer than any case
	// takes on a busy machine. Defaults to a minute.
	Patience time.Duration

	// Serial runs the cases one after the other. Otherwise they run in parallel, as the flag -parallel of go test allows.
	Serial bool

	// Around runs one case f. An engine that runs entirely in this process passes [synctest.Test]; then the suite takes
	// almost no time. Defaults to calling f.
	//
	// [synctest.Test]: https://pkg.go.dev/testing/synctest#Test
	Around func(t *testing.T, f func(t *testing.T))
}

// Run tests the inboxes that o.Open opens against every rule of [inbox.Inbox], each in a subtest. A failure reports which
// rule was broken, and how. If the machine is too slow to test a rule, in ten tries, the subtest fails and reports that.
// Run returns when all subtests have ended.
func Run(t *testing.T, o Options) {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("rules", func(t *testing.T) { // t.Run waits for the parallel subtests
		for _, r := range rules {
			t.Run(r.name, func(t *testing.T) {
				if !o.Serial {
					t.Parallel()
				}
				o.Around(t, func(t *testing.T) { r.test(t, o) })
			})
		}
	})
}

func (o Options) withDefaults() (Options, error) {
	if o.Open == nil {
		return o, errors.New("inboxtest: Options.Open is required")
	}
	if o.Lease < 0 || o.Patience < 0 {
		return o, fmt.Errorf("inboxtest: Options.Lease (%v) and Options.Patience (%v) must not be negative", o.Lease, o.Patience)
	}
	if o.Lease == 0 {
		o.Lease = 2 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Around == nil {
		o.Around = func(t *testing.T, f func(t *testing.T)) { f(t) }
	}
	return o, nil
}

// rules is the suite. Authors of engines read the texts when a rule fails.
var rules = slices.Concat(enqueueRules, runRules, retryRules, deadLetterRules, listRules, statsRules, operatorRules, browseRules, controlRules, handlerRules, limitRules, drainRules, processRules)

// A rule is one case of the suite.
type rule struct {
	name  string
	text  string // describes the rule; every failure repeats it
	check func(c *check)
}

// test takes a testing.TB rather than a *testing.T, so that the suite's tests can record its failures.
func (r rule) test(t testing.TB, o Options) {
	c := &check{TB: t, Options: o, rule: r, log: new(logBuffer)}
	defer c.end()
	r.check(c)
}

// A check is the test of one rule with one engine.
type check struct {
	testing.TB
	Options
	rule  rule
	store idempotency.Store // see storeOf
	log   *logBuffer        // the log of the inboxes
	calls calls             // of callbacks, in all processes
	gates []*gate
	runs  []*run
}

// brokenf fails the case. It must be called on the test's goroutine, not on that of a callback.
func (c *check) brokenf(format string, args ...any) {
	c.Helper()
	if log := c.log.String(); log != "" {
		c.Logf("The log of the inbox:\n%s", log)
	}
	c.Fatalf("The inbox breaks a rule. %s\nBut %s.", c.rule.text, fmt.Sprintf(format, args...))
}

func (c *check) slowf(format string, args ...any) {
	c.Helper()
	c.Fatalf("The machine is too slow for this test: %s.", fmt.Sprintf(format, args...)) // a skip would count as passed
}

// awaitf waits until condition holds, for at most Patience. Then it fails with the message of format, which describes
// what has not happened. now, if not nil, returns the current value for that message.
func (c *check) awaitf(condition func() bool, now func() any, format string, args ...any) {
	c.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) >= c.Patience {
			text := fmt.Sprintf(format, args...)
			if now != nil {
				text += fmt.Sprintf(", but %v", now())
			}
			c.brokenf("after %v, %s", c.Patience, text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end ends everything that a case started, however the case ended: callbacks, then Runs. Open's cleanup closes the
// inboxes.
func (c *check) end() {
	for _, g := range c.gates {
		g.open()
	}
	for _, r := range c.runs {
		r.cancel()
	}
	for _, r := range c.runs {
		select {
		case <-r.returned:
		case <-time.After(c.Patience):
			c.Logf("A Run has not returned %v after its context ended.", c.Patience)
		}
	}
}
