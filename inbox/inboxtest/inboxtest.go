// Package inboxtest states the rules of [inbox.Inbox] as tests, for every engine there is or will be.
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

// Options say how [Run] gets at an inbox and how patient it has to be with it.
type Options struct {
	// Open opens the inbox of that name, which is made of letters, with the given policy. The same name opens the same
	// stored deliveries, another one others; none are there when a case begins. Each open inbox stands for a process:
	// several of one name may be open at once. What it returns closes it; it may be called twice, and is not called
	// before every Run of that inbox has returned. Open has t.Cleanup call it as well. Required.
	Open func(t testing.TB, name string, p inbox.Policy) (box inbox.Inbox, closes func())

	// Store returns the store that guards the callbacks of one case, in all of its processes.
	//
	// Defaults to the inbox's own, if it has one, otherwise to one in memory.
	Store func(t testing.TB) idempotency.Store

	// Lease is how long the inboxes that Open opens lease a delivery: one whose process has not been heard of since is
	// taken again after that. Cases wait for it to pass, and none has a callback that takes longer without meaning to.
	//
	// Defaults to 2 seconds.
	Lease time.Duration

	// Patience is how long the cases wait for what must happen. It bounds a hang: no case takes so long on a machine that
	// is busy.
	//
	// Defaults to a minute.
	Patience time.Duration

	// Serial has the cases run one after the other. Otherwise they run at the same time, as many as go test's flag
	// -parallel allows.
	Serial bool

	// Around runs one case, f, within something: an engine that is all in this process passes [synctest.Test], and the
	// suite takes no time.
	//
	// Defaults to calling f.
	//
	// [synctest.Test]: https://pkg.go.dev/testing/synctest#Test
	Around func(t *testing.T, f func(t *testing.T))
}

// Run tests the inboxes that o.Open opens against every rule of [inbox.Inbox], each in a subtest of its own. A failure
// says which rule was broken, and how. A subtest that was too slow to tell, each of ten times, fails and says so. Run
// returns when all have ended.
func Run(t *testing.T, o Options) {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("rules", func(t *testing.T) { // which is where parallel subtests are waited for
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
		return o, errors.New("inboxtest: Options.Lease and Patience cannot be negative")
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

// rules is the suite. The sentences are what the author of a failing engine reads.
var rules = slices.Concat(enqueueRules, runRules, againRules, deadLetterRules, listRules, operatorRules, handlerRules, limitRules, drainRules, processRules)

// A rule is one case of the suite.
type rule struct {
	name  string
	says  string // the rule in a sentence, which every failure repeats
	check func(c *check)
}

// test takes a testing.TB rather than a *testing.T so that the suite's own tests can look on while it fails.
func (r rule) test(t testing.TB, o Options) {
	c := &check{TB: t, Options: o, rule: r, log: new(journal)}
	defer c.end()
	r.check(c)
}

// A check is one rule being put to one engine.
type check struct {
	testing.TB
	Options
	rule  rule
	store idempotency.Store // see storeOf
	log   *journal          // what the inboxes have logged
	calls calls             // of callbacks, in all processes
	gates []*gate
	runs  []*run
}

// brokenf fails the case. It must be called on its own goroutine, not on that of a callback.
func (c *check) brokenf(format string, args ...any) {
	c.Helper()
	if log := c.log.String(); log != "" {
		c.Logf("What the inbox has logged:\n%s", log)
	}
	c.Fatalf("The inbox breaks a rule. %s\nBut %s.", c.rule.says, fmt.Sprintf(format, args...))
}

func (c *check) slowf(format string, args ...any) {
	c.Helper()
	c.Fatalf("The machine is too slow to tell: %s.", fmt.Sprintf(format, args...)) // skipped, it would pass for checked
}

// awaitf waits until condition holds, for as long as the patience lasts. What has not come about is said in the format,
// and what is the case instead by now, if that is not nil.
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

// end leaves nothing running, however the case ended: callbacks return, every Run does, and then what was opened is closed.
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
