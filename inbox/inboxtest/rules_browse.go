package inboxtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// browseRules are the rules of List and Entry.
var browseRules = []rule{{
	name: "ListHasEveryState",
	text: "List returns the entries of each state, and without a state those of all, in every process, without their bodies. The IDs are those of DeadLetters. Done entries may be missing.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		gate := c.gate()
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		other := s.handler(emca, plain).on(ping, gate.wait(succeed))
		h.sendNew(ping, "dead")
		h.sendNew(pong, "deferred")
		other.sendNew(ping, "running")
		s.enqueue(deliveryOf(acme, "none", ping, "pending"))
		s.run(h, other)
		dead := c.awaitDeadLetters(s, "dead")["dead"]
		c.awaitStarted(1, "running")
		c.awaitListed(tool, inbox.Filter{State: inbox.Deferred}, "deferred")
		c.awaitListed(tool, inbox.Filter{State: inbox.DeadLettered}, "dead")
		c.awaitListed(tool, inbox.Filter{State: inbox.Pending, Endpoint: "none"}, "pending")
		c.awaitListed(s, inbox.Filter{State: inbox.Running}, "running")
		for _, e := range c.listed(tool, inbox.Query{}) {
			d := e.Delivery
			if len(d.Body) > 0 {
				c.brokenf("the body of %q was listed", d.ID)
			}
			if d.Vendor == "" || d.Endpoint == "" || d.Type == "" || d.ReceivedAt.IsZero() {
				c.brokenf("an entry was listed as %+v", *d)
			}
			if d.ID == "dead" && (e.ID != dead.ID || e.LastError() != errCallback.Error()) {
				c.brokenf("the dead letter %q with the error %q was listed as %q with the error %q", dead.ID, dead.LastError(), e.ID, e.LastError())
			}
		}
		c.awaitListed(tool, inbox.Filter{}, "dead", "deferred", "pending", "running")
	},
}, {
	name: "ListFiltersAndPages",
	text: "List applies all fields of its Filter, lists the newest first, and has at most Limit entries in a page. The pages have each entry once. An ID that no entry has selects nothing.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.fillDeadLetters(s)
		entries := c.awaitDeadLetters(s, ids...)
		some := entries[ids[3]]
		for _, f := range append(filters(), inbox.Filter{ID: some.ID}, inbox.Filter{ID: some.ID, Vendor: emca}, inbox.Filter{ID: unknownID(some.ID)},
			inbox.Filter{Text: "EMCA EU"}, inbox.Filter{Text: errCallback.Error()}, inbox.Filter{Text: "no such text"}, inbox.Filter{Text: "pong 2", Vendor: acme}) {
			var want []string
			for _, id := range ids {
				if e := entries[id]; f.Matches(&e) {
					want = append(want, id)
				}
			}
			f.State = inbox.DeadLettered
			for _, limit := range []int{0, 3} {
				c.sameIDs(fmt.Sprintf("with the filter %+v and the limit %d", f, limit), c.listed(s, inbox.Query{Filter: f, Limit: limit}), want)
			}
		}
		c.operate(s, s.box.Discard, inbox.Filter{All: true}, len(ids), "discarding all")
		for _, id := range []string{"first", "second", "third"} {
			h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
			h.sendNew(ping, id)
			r := s.run(h)
			c.awaitDeadLetters(s, id)
			r.stop()
			time.Sleep(tick) // makes the times differ
		}
		if got := deliveryIDs(c.listed(s, inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}, Limit: 2})); !slices.Equal(got, []string{"third", "second", "first"}) {
			c.brokenf("the deliveries first, second and third were listed as %q", got)
		}
		ctx, cancel := c.callTimeout()
		defer cancel()
		for what, q := range map[string]inbox.Query{
			"a negative limit": {Limit: -1}, "a limit above the maximum": {Limit: inbox.MaxLimit + 1}, "an unknown state": {Filter: inbox.Filter{State: "dead"}}, "an invalid cursor": {Cursor: "no cursor"},
		} {
			if _, err := s.box.List(ctx, q); err == nil {
				c.brokenf("List accepted %s", what)
			}
		}
	},
}, {
	name: "EntryIsComplete",
	text: "Entry returns an entry of any state by the ID that List has for it, with the delivery, its body and all attempts. Any other ID is ErrNotFound.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, fails(errCallback))
		_, sent := h.post(body(ping, "dead"))
		h.sendNew(pong, "deferred")
		s.enqueue(deliveryOf(acme, "none", ping, "pending"))
		s.run(h)
		c.awaitDeadLetters(s, "dead")
		c.awaitListed(s, inbox.Filter{State: inbox.Deferred}, "deferred")
		c.awaitListed(s, inbox.Filter{}, "dead", "deferred", "pending")
		ctx, cancel := c.callTimeout()
		defer cancel()
		for _, listed := range c.listed(s, inbox.Query{}) {
			e, err := s.box.Entry(ctx, listed.ID)
			if err != nil {
				c.brokenf("Entry of %q failed: %v", listed.Delivery.ID, err)
			}
			if e.ID != listed.ID || e.State != listed.State || e.Delivery.ID != listed.Delivery.ID || len(e.Delivery.Body) == 0 || len(e.Attempts) != len(listed.Attempts) {
				c.brokenf("%+v was listed, and Entry returned %+v", listed, e)
			}
			if e.Delivery.ID != "dead" {
				continue
			}
			if diff := difference(sent, e.Delivery); diff != "" {
				c.brokenf("Entry returned %s", diff)
			}
			failed := attempt{webhook.Failed, true, errCallback.Error()}
			c.history(e, failed, failed)
			for what, id := range map[string]string{"an unknown ID": unknownID(e.ID), "an ID that no engine makes": "no such entry", "an empty ID": ""} {
				if _, err := s.box.Entry(ctx, id); !errors.Is(err, inbox.ErrNotFound) {
					c.brokenf("Entry of %s returned the error %v", what, err)
				}
			}
		}
	},
}, {
	name: "TextSelectsDeadLetters",
	text: "Retry, Rerun and Discard with a Text change only the dead letters whose id, type, reason or last error contains it, in any case.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback))).on(pong, fails(webhook.Permanent(errors.New("dial tcp: \"refused\""))))
		h.sendNew(ping, "a", "b")
		h.sendNew(pong, "c", "d")
		r := s.run(h)
		dead := c.awaitDeadLetters(s, "a", "b", "c", "d")
		r.stop()
		c.operate(s, s.box.Discard, inbox.Filter{Text: "DIAL TCP: \"Refused\"", ID: dead["c"].ID}, 1, "discarding one by its error")
		c.operate(s, s.box.Retry, inbox.Filter{Text: "dial tcp"}, 1, "retrying by an error")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after those with one error were changed", "a", "b")
		c.operate(s, s.box.Rerun, inbox.Filter{Text: "dial tcp"}, 0, "rerunning by an error that no dead letter has")
		c.operate(s, s.box.Discard, inbox.Filter{Text: "PING"}, 2, "discarding by a part of the type")
	},
}, {
	name: "DoneEntryIsRerun",
	text: "If List has an entry that is done with its body, Rerun with its ID runs it again under new keys. Retry and Discard of it are ErrNotFound, and so is Rerun of a discarded one.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed).on(pong, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "done")
		h.sendNew(pong, "discarded")
		s.run(h)
		c.awaitCalls(1, "done")
		c.operate(s, s.box.Discard, inbox.Filter{ID: c.awaitDeadLetters(s, "discarded")["discarded"].ID}, 1, "discarding one")
		ctx, cancel := c.callTimeout()
		defer cancel()
		settled := func() bool {
			stats, err := s.box.Stats(ctx)
			return err == nil && stats.Pending+stats.Running == 0
		}
		c.awaitf(settled, nil, "the deliveries were not done")
		runs := 1
		for _, e := range c.listed(s, inbox.Query{Filter: inbox.Filter{State: inbox.Done}}) {
			for name, do := range map[string]operation{"Retry": s.box.Retry, "Discard": s.box.Discard} {
				if _, err := do(ctx, inbox.Filter{ID: e.ID}); !errors.Is(err, inbox.ErrNotFound) {
					c.brokenf("%s of the done entry %q returned %v", name, e.Delivery.ID, err)
				}
			}
			n, err := s.box.Rerun(ctx, inbox.Filter{ID: e.ID})
			switch {
			case e.Delivery.ID == "done" && e.Delivery.Body != nil && n == 1 && err == nil:
				runs++
			case e.Delivery.ID == "done" || n != 0 || !errors.Is(err, inbox.ErrNotFound):
				c.brokenf("Rerun of the done entry %q returned %d, %v", e.Delivery.ID, n, err)
			}
		}
		c.awaitCalls(runs, "done")
		c.runMarkers(h)
		c.called(runs, "after Rerun", "done")
		c.called(1, "after Rerun", "discarded")
		if runs == 2 {
			c.keys("done", keyOf("done"), keyOf("done")+"#1")
		}
	},
}, {
	name: "OperatorsShareDeadLetters",
	text: "If two processes change the same dead letters at the same time, one of them changes each. The numbers that they return add up.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		ids := c.fillDeadLetters(s)
		ctx, cancel := c.callTimeout()
		defer cancel()
		type changed struct {
			n   int
			err error
		}
		retried, discarded := make(chan changed, 1), make(chan changed, 1)
		do := func(what operation, to chan<- changed) {
			n, err := what(ctx, inbox.Filter{All: true})
			to <- changed{n, err}
		}
		go do(s.box.Retry, retried)
		go do(tool.box.Discard, discarded)
		r, d := <-retried, <-discarded
		if r.err != nil || d.err != nil || r.n+d.n != len(ids) {
			c.brokenf("of %d dead letters, Retry returned %d, %v and Discard %d, %v", len(ids), r.n, r.err, d.n, d.err)
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after all were changed")
		var handlers []*handler
		for _, vendor := range []string{acme, emca} {
			for _, endpoint := range []string{plain, "eu"} {
				handlers = append(handlers, s.handler(vendor, endpoint).on(ping, succeed).on(pong, succeed))
			}
		}
		s.run(handlers...)
		ran := func() (n int) {
			for _, id := range ids {
				n += c.calls.count(id) - 1 // each has run once before
			}
			return n
		}
		c.awaitf(func() bool { return ran() >= r.n }, func() any { return ran() }, "%d deliveries had been retried and had not run", r.n)
		for _, h := range handlers {
			c.runMarkers(h)
		}
		if n := ran(); n != r.n {
			c.brokenf("%d deliveries ran, and %d had been retried", n, r.n)
		}
	},
}}

// listed returns the entries of all pages that a query selects. Each entry must be in one page.
func (c *check) listed(s *process, q inbox.Query) []inbox.Entry {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	var list []inbox.Entry
	seen := make(map[string]bool)
	for {
		page, err := s.box.List(ctx, q)
		if err != nil {
			c.brokenf("List of %+v failed: %v", q, err)
		}
		if q.Limit > 0 && len(page.Entries) > q.Limit {
			c.brokenf("a page with the limit %d had %d entries", q.Limit, len(page.Entries))
		}
		for _, e := range page.Entries {
			if seen[e.ID] {
				c.brokenf("%q was listed twice", e.Delivery.ID)
			}
			seen[e.ID] = true
		}
		list = append(list, page.Entries...)
		if page.Next == "" {
			return list
		}
		if page.Next == q.Cursor {
			c.brokenf("the cursor %q was followed by itself", q.Cursor)
		}
		q.Cursor = page.Next
	}
}

// awaitListed waits until List returns these deliveries, in any order. Other deliveries that are done do not count.
func (c *check) awaitListed(s *process, f inbox.Filter, ids ...string) {
	c.Helper()
	slices.Sort(ids)
	var got []string
	c.awaitf(func() bool {
		got = deliveryIDs(slices.DeleteFunc(c.listed(s, inbox.Query{Filter: f}), func(e inbox.Entry) bool { return e.State == inbox.Done && f.State != inbox.Done }))
		slices.Sort(got)
		return slices.Equal(got, ids)
	}, func() any { return fmt.Sprintf("%q were", got) }, "with the filter %+v, the deliveries %q were not listed", f, ids)
}

// sameIDs checks which deliveries are in a list, in any order.
func (c *check) sameIDs(when string, list []inbox.Entry, want []string) {
	c.Helper()
	got := deliveryIDs(list)
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		c.brokenf("%s, List returned %q rather than %q", when, got, want)
	}
}
