package inboxtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// handlerRules are the rules for the handlers of a Run.
var handlerRules = []rule{{
	name: "DeliveryWithoutHandlerStays",
	text: "A delivery without a handler in Run stays stored, and a warning reports it. Once a Run has a handler, it runs with its full number of attempts.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1})
		present := s.handler(acme, plain)
		s.handler(emca, plain).sendNew(ping, "vendor")
		s.handler(acme, "eu").sendNew(ping, "endpoint")
		for range 2 {
			r := s.run(present)
			c.runMarkers(present)
			c.awaitf(func() bool {
				return c.log.warns(`"vendor":"emca"`) && c.log.warns(`"vendor":"acme"`, `"endpoint":"eu"`)
			},
				nil, "there was no warning about the deliveries")
			r.stop()
		}
		vendor, endpoint := s.handler(emca, plain).on(ping, fails(errCallback)), s.handler(acme, "eu").on(ping, fails(errCallback))
		s.run(vendor, endpoint)
		for id, e := range c.awaitDeadLetters(s, "vendor", "endpoint") {
			c.countedOnce(id, e)
		}
	},
}, {
	name: "DeliveryWithoutCallbackStays",
	text: "A delivery whose handler has no callback for its type stays stored, and a warning reports it. Other deliveries run meanwhile. Once a Run has a callback, it runs with its full number of attempts.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1, Concurrency: 1})
		h := s.handler(acme, plain).on(ping, succeed)
		h.Before(func(context.Context, *webhook.Delivery) error { return nil }) // which is no callback for a type
		h.sendNew(pong, "stays", "stays too")
		h.sendNew(ping, "runs")
		for range 2 {
			r := s.run(h)
			c.awaitCalls(1, "runs")
			c.runMarkers(h)
			c.awaitf(func() bool { return c.log.warns(`"vendor":"acme"`, `"type":"pong"`) }, nil, "there was no warning about the deliveries")
			if n := len(h.outcomes("stays")); n > 50 {
				c.brokenf("it was attempted %d times", n)
			}
			r.stop()
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "while there was no callback")
		s.closes()
		s = c.open(inbox.Policy{MaxAttempts: 1})
		h = s.handler(acme, plain).on(pong, fails(errCallback))
		if !h.send(pong, "stays") {
			c.brokenf("the stored delivery, sent again, was reported as new")
		}
		s.run(h)
		for id, e := range c.awaitDeadLetters(s, "stays", "stays too") {
			c.countedOnce(id, e)
		}
		c.called(1, "after another process with the inbox ran", "runs")
	},
}, {
	name: "RunRefusesConflictingHandlers",
	text: "Run returns an error at once without a handler, or with two for the same vendor and endpoint. It accepts different ones.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		for what, handlers := range map[string][]*handler{
			"no handler":                      {},
			"two handlers for the same":       {s.handler(acme, plain), s.handler(acme, plain)},
			"three, two of them for the same": {s.handler(acme, "eu"), s.handler(emca, "eu"), s.handler(acme, "eu")},
		} {
			if s.run(handlers...).result() == nil {
				c.brokenf("with %s, Run returned no error", what)
			}
		}
		var handlers []*handler
		for _, vendor := range []string{acme, emca} {
			for _, endpoint := range []string{plain, "eu"} {
				h := s.handler(vendor, endpoint).on(ping, succeed)
				h.sendNew(ping, vendor+endpoint)
				handlers = append(handlers, h)
			}
		}
		r := s.run(handlers...)
		c.awaitCalls(1, "acmedefault", "acmeeu", "emcadefault", "emcaeu")
		r.stop()
	},
}, {
	name: "HandlersAreAddedAndRemoved",
	text: "Add gives a Run another handler, which runs the stored deliveries. Add may be called before Run. Concurrency limits all handlers together. After Remove, deliveries stay stored until a handler is added again. Add refuses a second handler for the same vendor and endpoint.",
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
				c.brokenf("while a Run ran, Add returned %v", err)
			}
			ids = append(ids, id)
		}
		first.sendNew(ping, "first")
		c.awaitf(func() bool { return c.calls.now()[""] == 2 }, func() any { return c.calls.now() }, "Concurrency was not reached")
		time.Sleep(10 * tick) // time for a Run that exceeds Concurrency
		g.open()
		c.awaitCalls(1, append(ids, "first")...)
		if n := c.calls.peakOf(""); n > 2 {
			c.brokenf("%d callbacks ran at the same time, and Concurrency is 2", n)
		}
		for what, handlers := range map[string][]inbox.Handler{
			"a handler that exists": {s.handler(acme, plain)}, "two for the same": {s.handler(acme, "new"), s.handler(acme, "new")}, "nil": {nil},
		} {
			if s.box.Add(handlers...) == nil {
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
		c.runMarkers(other)
		time.Sleep(10 * tick) // time for a Run that still uses the removed handler
		c.called(0, "after its handler was removed", "stays")
		if err := s.box.Add(s.handler(acme, plain).on(ping, fails(errCallback))); err != nil {
			c.brokenf("for a removed handler's endpoint, Add returned %v", err)
		}
		c.countedOnce("stays", c.awaitDeadLetters(s, "stays")["stays"])
		r.stop()
	},
}, {
	name: "SeveralRunsShareAnInbox",
	text: "One process may have several Runs of an inbox at the same time, each with different handlers.",
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
		c.runMarkers(other)
		c.called(0, "after the Run with its handler had returned", "one more")
	},
}}

// countedOnce checks that only one attempt of a dead letter counted: its one failure.
func (c *check) countedOnce(id string, e inbox.Entry) {
	c.Helper()
	counted := slices.DeleteFunc(slices.Clone(e.Attempts), func(a inbox.Attempt) bool { return !a.Counted })
	if len(counted) != 1 || counted[0].Outcome != webhook.Failed || c.calls.count(id) != 1 {
		c.brokenf("%q became a dead letter after the attempts %+v, and its callback had failed %d times", id, e.Attempts, c.calls.count(id))
	}
}

// limitRules are the rules for how many callbacks run at the same time.
var limitRules = []rule{{
	name: "ConcurrencyIsReachedNotExceeded",
	text: "If enough deliveries are due, exactly Concurrency callbacks run at the same time.",
	check: func(c *check) {
		c.limited(inbox.Policy{Concurrency: 3}, map[string]int{"": 3}, batch{acme, plain, 6}, batch{emca, plain, 6})
	},
}, {
	name: "VendorLimitIsReachedNotExceeded",
	text: "If enough deliveries are due, as many callbacks of a vendor run as its limit, at all its endpoints together. Those of other vendors run meanwhile.",
	check: func(c *check) {
		c.limited(inbox.Policy{Limits: map[string]int{acme: 2}}, map[string]int{acme: 2, emca: 5},
			batch{acme, plain, 5}, batch{acme, "eu", 5}, batch{emca, plain, 5})
	},
}, {
	name: "EndpointLimitIsReachedNotExceeded",
	text: "If enough deliveries are due, as many callbacks of an endpoint run as its limit. Those of the vendor's other endpoints run meanwhile.",
	check: func(c *check) {
		c.limited(inbox.Policy{Limits: map[string]int{"acme/eu": 1, "acme/default": 2, acme: 9}},
			map[string]int{"acme/eu": 1, "acme/default": 2, "acme/us": 3}, batch{acme, "eu", 4}, batch{acme, plain, 4}, batch{acme, "us", 3})
	},
}}

// A batch is n deliveries for one endpoint.
type batch struct {
	vendor, endpoint string
	n                int
}

// limited runs deliveries whose callbacks block, until as many run as the limits allow.
func (c *check) limited(p inbox.Policy, limits map[string]int, batches ...batch) {
	c.Helper()
	s, g := c.open(p), c.gate()
	handlers, ids := make([]*handler, 0, len(batches)), []string{}
	for _, batch := range batches {
		h := s.handler(batch.vendor, batch.endpoint).on(ping, g.wait(succeed))
		for n := range batch.n {
			ids = append(ids, fmt.Sprint(batch.vendor, " ", batch.endpoint, " ", n))
			h.sendNew(ping, ids[len(ids)-1])
		}
		handlers = append(handlers, h)
	}
	r := s.run(handlers...)
	c.awaitf(func() bool {
		running := c.calls.now()
		for name, n := range limits {
			if running[name] < n {
				return false
			}
		}
		return true
	}, func() any { return c.calls.now() }, "not as many callbacks ran as %v", limits)
	time.Sleep(10 * tick) // time for callbacks that exceed the limits
	g.open()
	c.awaitCalls(1, ids...)
	r.stop()
	for name, n := range limits {
		if got := c.calls.peakOf(name); got > n {
			c.brokenf("%d callbacks ran at the same time, and the limit %q is %d", got, name, n)
		}
	}
	c.called(1, "after the inbox was run", ids...)
}
