package inboxtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// hookRules are those of which handlers a Run has.
var hookRules = []rule{{
	name: "DeliveryWithoutHandlerStays",
	says: "A delivery for which Run was given no handler stays, a warning says so, and it runs, with all its attempts, once a Run has one.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1})
		present := s.handler(acme, plain)
		s.handler(emca, plain).sendNew(ping, "vendor")
		s.handler(acme, "eu").sendNew(ping, "endpoint")
		for range 2 {
			r := s.run(present)
			c.overtake(present)
			c.awaitf(func() bool {
				return c.log.warns(`"vendor":"emca"`) && c.log.warns(`"vendor":"acme"`, `"endpoint":"eu"`)
			},
				nil, "there was no warning about the deliveries")
			r.stop()
		}
		vendor, endpoint := s.handler(emca, plain).on(ping, fails(errCallback)), s.handler(acme, "eu").on(ping, fails(errCallback))
		s.run(vendor, endpoint)
		for id, e := range c.awaitDead(s, "vendor", "endpoint") {
			c.countedOnce(id, e)
		}
	},
}, {
	name: "DeliveryWithoutCallbackStays",
	says: "A delivery for whose type the handler has no callback stays, a warning says so, others run meanwhile, and it runs, with all its attempts, once a Run has a handler with one.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1, Concurrency: 1})
		h := s.handler(acme, plain).on(ping, succeed)
		h.Before(func(context.Context, *webhook.Delivery) error { return nil }) // which handles nothing
		h.sendNew(pong, "stays", "stays too")
		h.sendNew(ping, "runs")
		for range 2 {
			r := s.run(h)
			c.awaitCalls(1, "runs")
			c.overtake(h)
			c.awaitf(func() bool { return c.log.warns(`"vendor":"acme"`, `"type":"pong"`) }, nil, "there was no warning about the deliveries")
			if n := len(h.outcomes("stays")); n > 50 {
				c.brokenf("it was tried %d times", n)
			}
			r.stop()
		}
		c.onlyDead(s, inbox.Filter{All: true}, "while there was no callback")
		s.closes()
		s = c.open(inbox.Policy{MaxAttempts: 1})
		h = s.handler(acme, plain).on(pong, fails(errCallback))
		if !h.send(pong, "stays") {
			c.brokenf("the one that stays, sent again, was taken for a new one")
		}
		s.run(h)
		for id, e := range c.awaitDead(s, "stays", "stays too") {
			c.countedOnce(id, e)
		}
		c.called(1, "after another process with the inbox ran", "runs")
	},
}, {
	name: "RunRefusesHandlersThatCannotBeToldApart",
	says: "Run returns an error at once if it is given no handler, or two for the same deliveries, and does not with different ones.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		for what, hooks := range map[string][]*hook{
			"no handler":                      {},
			"two handlers for the same":       {s.handler(acme, plain), s.handler(acme, plain)},
			"three, two of them for the same": {s.handler(acme, "eu"), s.handler(emca, "eu"), s.handler(acme, "eu")},
		} {
			if s.run(hooks...).result() == nil {
				c.brokenf("with %s, it returned no error", what)
			}
		}
		var hooks []*hook
		for _, vendor := range []string{acme, emca} {
			for _, endpoint := range []string{plain, "eu"} {
				h := s.handler(vendor, endpoint).on(ping, succeed)
				h.sendNew(ping, vendor+endpoint)
				hooks = append(hooks, h)
			}
		}
		r := s.run(hooks...)
		c.awaitCalls(1, "acmedefault", "acmeeu", "emcadefault", "emcaeu")
		r.stop()
	},
}, {
	name: "HandlersComeAndGo",
	says: "Add gives a Run that goes on one more handler, which runs what is stored, and may come before the Run. Concurrency holds for all of them. After Remove, deliveries stay until there is a handler again. A second handler for the same deliveries is refused.",
	check: func(c *check) {
		s, g := c.open(inbox.Policy{Concurrency: 2, MaxAttempts: 1}), c.gate()
		first := s.handler(acme, plain).on(ping, g.wait(succeed))
		if err := s.box.Add(first); err != nil {
			c.brokenf("before Run, Add returned %v", err)
		}
		r := s.run()
		var ids []string
		for i := range 4 {
			h := s.handler(emca, fmt.Sprint("tenant-", i)).on(ping, g.wait(succeed))
			id := fmt.Sprint("of tenant ", i)
			h.sendNew(ping, id)
			if err := s.box.Add(h); err != nil {
				c.brokenf("while a Run goes on, Add returned %v", err)
			}
			ids = append(ids, id)
		}
		first.sendNew(ping, "first")
		c.awaitf(func() bool { return c.calls.now()[""] == 2 }, func() any { return c.calls.now() }, "Concurrency was not reached")
		time.Sleep(10 * tick) // for a Run that takes more
		g.open()
		c.awaitCalls(1, append(ids, "first")...)
		if n := c.calls.peakOf(""); n > 2 {
			c.brokenf("%d callbacks ran at once, where Concurrency is 2", n)
		}
		for what, hooks := range map[string][]inbox.Hook{
			"a handler that is there": {s.handler(acme, plain)}, "two for the same": {s.handler(acme, "new"), s.handler(acme, "new")}, "nil": {nil},
		} {
			if s.box.Add(hooks...) == nil {
				c.brokenf("with %s, Add returned no error", what)
			}
		}
		s.box.Remove(first)
		c.shutdown(first)
		first.sendNew(ping, "stays")
		other := s.handler(emca, "other")
		if err := s.box.Add(other); err != nil {
			c.brokenf("after Remove, Add returned %v", err)
		}
		c.overtake(other)
		time.Sleep(10 * tick) // for a Run that goes on with what was removed
		c.called(0, "after its handler was removed", "stays")
		if err := s.box.Add(s.handler(acme, plain).on(ping, fails(errCallback))); err != nil {
			c.brokenf("in place of one that was removed, Add returned %v", err)
		}
		c.countedOnce("stays", c.awaitDead(s, "stays")["stays"])
		r.stop()
	},
}, {
	name: "SeveralRunsShareAnInbox",
	says: "One process may have several Runs of an inbox at once, each with handlers of its own.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		one, other := s.handler(acme, plain).on(ping, succeed), s.handler(emca, plain).on(ping, succeed)
		first := s.run(one)
		s.run(other)
		one.sendNew(ping, "one")
		other.sendNew(ping, "other")
		c.awaitCalls(1, "one", "other")
		first.stop()
		one.sendNew(ping, "one more")
		other.sendNew(ping, "other more")
		c.awaitCalls(1, "other more")
		c.overtake(other)
		c.called(0, "after the Run with its handler had returned", "one more")
	},
}}

// countedOnce checks that of all tries of a dead letter only its one failure counted.
func (c *check) countedOnce(id string, e inbox.Entry) {
	c.Helper()
	counted := slices.DeleteFunc(slices.Clone(e.Attempts), func(a inbox.Attempt) bool { return !a.Counted })
	if len(counted) != 1 || counted[0].Outcome != webhook.Failed || c.calls.count(id) != 1 {
		c.brokenf("%q became a dead letter after the attempts %+v, when its callback had failed %d times", id, e.Attempts, c.calls.count(id))
	}
}

// limitRules are those of how many callbacks run at once.
var limitRules = []rule{{
	name: "ConcurrencyIsReachedAndNotPassed",
	says: "As many callbacks run at once as Concurrency says, if there is work for them, and never more.",
	check: func(c *check) {
		c.limited(inbox.Policy{Concurrency: 3}, map[string]int{"": 3}, crowd{acme, plain, 6}, crowd{emca, plain, 6})
	},
}, {
	name: "VendorsLimitIsReachedAndNotPassed",
	says: "As many callbacks of a vendor run at once as its limit says, at all its endpoints together, and never more, and those of others run meanwhile.",
	check: func(c *check) {
		c.limited(inbox.Policy{Limits: map[string]int{acme: 2}}, map[string]int{acme: 2, emca: 5},
			crowd{acme, plain, 5}, crowd{acme, "eu", 5}, crowd{emca, plain, 5})
	},
}, {
	name: "EndpointsLimitIsReachedAndNotPassed",
	says: "As many callbacks of an endpoint run at once as its limit says, and never more, and those of the vendor's others run meanwhile.",
	check: func(c *check) {
		c.limited(inbox.Policy{Limits: map[string]int{"acme/eu": 1, "acme/default": 2, acme: 9}},
			map[string]int{"acme/eu": 1, "acme/default": 2, "acme/us": 3}, crowd{acme, "eu", 4}, crowd{acme, plain, 4}, crowd{acme, "us", 3})
	},
}}

// A crowd are n deliveries for one endpoint.
type crowd struct {
	vendor, endpoint string
	n                int
}

// limited runs deliveries whose callbacks wait for one another, until as many run as the limits say.
func (c *check) limited(p inbox.Policy, limits map[string]int, crowds ...crowd) {
	c.Helper()
	s, g := c.open(p), c.gate()
	hooks, ids := make([]*hook, 0, len(crowds)), []string{}
	for _, crowd := range crowds {
		h := s.handler(crowd.vendor, crowd.endpoint).on(ping, g.wait(succeed))
		for n := range crowd.n {
			ids = append(ids, fmt.Sprint(crowd.vendor, " ", crowd.endpoint, " ", n))
			h.sendNew(ping, ids[len(ids)-1])
		}
		hooks = append(hooks, h)
	}
	r := s.run(hooks...)
	c.awaitf(func() bool {
		running := c.calls.now()
		for name, n := range limits {
			if running[name] < n {
				return false
			}
		}
		return true
	}, func() any { return c.calls.now() }, "not as many callbacks ran as %v", limits)
	time.Sleep(10 * tick) // for those that are one too many
	g.open()
	c.awaitCalls(1, ids...)
	r.stop()
	for name, n := range limits {
		if got := c.calls.peakOf(name); got > n {
			c.brokenf("%d callbacks ran at once where the limit %q is %d", got, name, n)
		}
	}
	c.called(1, "after the inbox was run", ids...)
}
