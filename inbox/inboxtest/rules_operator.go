package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// operatorRules are the rules of Retry, Rerun and Discard.
var operatorRules = []rule{{
	name: "RetryResetsAttempts",
	text: "Retry makes a dead letter run again at once, from any process, under the same keys, with MaxAttempts more attempts. Its earlier attempts stay in the history.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{MaxAttempts: 2}), c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		r := s.run(h)
		id := c.awaitDeadLetters(s, "a")["a"].ID
		time.Sleep(tick) // the Run is idle
		c.operate(s, tool.box.Retry, inbox.Filter{ID: id}, 1, "retrying it while a Run runs")
		c.awaitCalls(4, "a")
		e := c.awaitDeadLetters(s, "a")["a"]
		failed := attempt{webhook.Failed, true, errCallback.Error()}
		c.history(e, failed, failed, failed, failed)
		r.stop()
		c.awaitAlerts(s, 2)
		c.operate(s, s.box.Retry, inbox.Filter{ID: e.ID}, 1, "retrying it while there is no Run")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after all were retried")
		s.run(h)
		c.awaitCalls(5, "a")
		c.runMarkers(h)
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the callback succeeded")
		if !h.send(ping, "a") {
			c.brokenf("the delivery that was sent again was reported as new")
		}
		c.runMarkers(h)
		c.called(5, "after the fifth call succeeded", "a")
		c.keys("a", keyOf("a"), keyOf("a"), keyOf("a"), keyOf("a"), keyOf("a"))
	},
}, {
	name: "RetryRunsPermanentFailures",
	text: "Retry runs the callback of a dead letter even if it returned Permanent before, if it does so again, and if the body did not fit.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(webhook.Permanent(errCallback)), fails(webhook.Permanent(errCallback)), succeed))
		h.sendNew(ping, "a")
		h.post(undecodable("b"))
		s.run(h)
		for n := 1; n <= 2; n++ {
			e := c.awaitDeadLetters(s, "a", "b")
			c.called(n, "before it was retried", "a")
			c.operate(s, s.box.Retry, inbox.Filter{ID: e["a"].ID}, 1, "retrying the permanent failure")
			c.operate(s, s.box.Retry, inbox.Filter{ID: e["b"].ID}, 1, "retrying the undecodable body")
			c.awaitCalls(n+1, "a")
			c.awaitOutcomes(h, "b", n+1)
		}
		c.awaitDeadLetters(s, "b")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the callback succeeded", "b")
	},
}, {
	name: "RetryOfCompletedIsDone",
	text: "If the callback of a dead letter had completed it, Retry makes it done without calling the callback again.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, completesAndFails)
		h.sendNew(ping, "a")
		s.run(h)
		id := c.awaitDeadLetters(s, "a")["a"].ID
		c.operate(s, s.box.Retry, inbox.Filter{ID: id}, 1, "retrying it")
		c.awaitOutcomes(h, "a", 2)
		c.runMarkers(h)
		c.called(1, "after it was retried", "a")
		if got := h.outcomes("a"); !slices.Equal(got, []webhook.Outcome{webhook.DeadLettered, webhook.Duplicate}) {
			c.brokenf("its outcomes were %v", got)
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after it was found completed")
	},
}, {
	name: "RerunUsesNewKeys",
	text: "Rerun runs a dead letter again even if it was completed, each time under new keys: key#1, then key#2. If the vendor sends it again, it is a duplicate.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, c.inTurn(completesAndFails, fails(errCallback), completesAndFails, succeed))
		d := deliveryOf(acme, plain, ping, "a")
		d.Keys = append(d.Keys, keyOf("another name of a"))
		s.enqueue(d)
		r := s.run(h)
		c.operate(s, s.box.Rerun, inbox.Filter{ID: c.awaitDeadLetters(s, "a")["a"].ID}, 1, "rerunning it")
		c.awaitCalls(3, "a")
		e := c.awaitDeadLetters(s, "a")["a"]
		c.history(e, attempt{webhook.DeadLettered, true, ""}, attempt{webhook.Failed, true, ""}, attempt{webhook.DeadLettered, true, ""})
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{MaxAttempts: 2})
		h = s.handler(acme, plain).on(ping, succeed)
		c.operate(s, s.box.Rerun, inbox.Filter{ID: e.ID}, 1, "rerunning it once more")
		s.run(h)
		c.awaitCalls(4, "a")
		if !h.send(ping, "a") {
			c.brokenf("the delivery that was sent again was reported as new")
		}
		c.runMarkers(h)
		c.called(4, "after the fourth call succeeded", "a")
		both := func(suffix string) string { return d.Keys[0] + suffix + " " + d.Keys[1] + suffix }
		c.keys("a", both(""), both("#1"), both("#1"), both("#2"))
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the callback succeeded")
	},
}, {
	name: "RetryAfterRerunKeepsKeys",
	text: "Retry after a Rerun uses the keys of that Rerun. A further Rerun uses new keys.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		for i, do := range []operation{s.box.Rerun, s.box.Retry, s.box.Rerun} {
			e := c.awaitDeadLetters(s, "a")["a"]
			c.operate(s, do, inbox.Filter{ID: e.ID}, 1, "running it again")
			c.awaitCalls(i+2, "a")
		}
		c.runMarkers(h)
		c.keys("a", keyOf("a"), keyOf("a")+"#1", keyOf("a")+"#1", keyOf("a")+"#2")
	},
}, {
	name: "DiscardedIsDone",
	text: "A discarded dead letter is neither listed nor run. If the vendor sends it again, it is a duplicate.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a", "b")
		r := s.run(h)
		dead := c.awaitDeadLetters(s, "a", "b")
		c.operate(s, s.box.Discard, inbox.Filter{ID: dead["a"].ID}, 1, "discarding one")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after one was discarded", "b")
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h = s.handler(acme, plain).on(ping, succeed)
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after one was discarded and the inbox opened again", "b")
		if !h.send(ping, "a") {
			c.brokenf("the discarded delivery was reported as new")
		}
		c.operate(s, s.box.Retry, inbox.Filter{All: true}, 1, "retrying the other one")
		s.run(h)
		c.awaitCalls(2, "b")
		c.runMarkers(h)
		c.called(1, "after it was discarded", "a")
	},
}, {
	name: "DeferredMayBeDiscarded",
	text: "A Filter with the State Deferred selects deliveries without a callback that match its other fields, and no dead letters. A discarded one does not run once a callback exists. If the vendor sends it again, it is a duplicate.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h, other := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback))), s.handler(emca, plain).on(ping, succeed)
		h.sendNew(pong, "a", "b", "c")
		h.sendNew(ping, "dead")
		other.sendNew(pong, "other")
		r := s.run(h, other)
		c.awaitDeadLetters(s, "dead")
		waiting := inbox.Filter{State: inbox.Deferred, All: true}
		var found []inbox.Entry
		c.awaitf(func() bool { found = c.deadLetters(s, waiting); return len(found) == 4 },
			func() any { return fmt.Sprintf("%d are", len(found)) }, "the four deliveries without a callback were not listed")
		byID := map[string]inbox.Entry{}
		for _, e := range found {
			if e.State != inbox.Deferred || e.Delivery.Type != pong {
				c.brokenf("an entry of type %q with the state %q was listed", e.Delivery.Type, e.State)
			}
			byID[e.Delivery.ID] = e
		}
		if _, err := s.box.Discard(context.Background(), inbox.Filter{ID: byID["a"].ID}); !errors.Is(err, inbox.ErrNotFound) {
			c.brokenf("discarding one as a dead letter returned %v", err)
		}
		c.operate(s, s.box.Discard, inbox.Filter{State: inbox.Deferred, ID: byID["a"].ID}, 1, "discarding one by its ID")
		c.operate(s, s.box.Discard, inbox.Filter{State: inbox.Deferred, Vendor: emca}, 1, "discarding a vendor's")
		c.onlyDeadLetters(s, waiting, "after two were discarded", "b", "c")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after two without a callback were discarded", "dead")
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h, other = s.handler(acme, plain).on(pong, succeed), s.handler(emca, plain).on(pong, succeed)
		if !h.send(pong, "a") || !other.send(pong, "other") {
			c.brokenf("a discarded delivery was reported as new")
		}
		s.run(h, other)
		c.awaitCalls(1, "b", "c")
		c.runMarkers(h)
		c.called(0, "after it was discarded", "a", "other")
		c.awaitf(func() bool { found = c.deadLetters(s, waiting); return len(found) == 0 },
			func() any { return fmt.Sprintf("%d are", len(found)) }, "no delivery with a callback should be listed as deferred")
	},
}, {
	name: "BulkOperations",
	text: "Retry, Rerun and Discard by vendor, endpoint, type and time return the number of dead letters, and change no others.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.fillDeadLetters(s) // 16, half of each
		hours := func(n int) time.Time { return sent.Add(time.Duration(n) * time.Hour) }
		c.operate(s, s.box.Discard, inbox.Filter{Vendor: acme, Until: hours(2)}, 4, "discarding a vendor's early ones")
		c.operate(s, s.box.Retry, inbox.Filter{Vendor: acme, Type: ping}, 2, "retrying a vendor's pings")
		c.operate(s, s.box.Rerun, inbox.Filter{Endpoint: "eu", From: hours(2)}, 3, "rerunning an endpoint's late ones")
		var handlers []*handler
		for _, vendor := range []string{acme, emca} {
			for _, endpoint := range []string{plain, "eu"} {
				handlers = append(handlers, s.handler(vendor, endpoint).on(ping, succeed).on(pong, succeed))
			}
		}
		s.run(handlers...)
		want := map[bool][]string{}
		for _, id := range ids {
			retried := strings.HasPrefix(id, acme) && strings.HasSuffix(id, "ping 2")
			rerun := strings.HasSuffix(id, "2") && strings.Contains(id, " eu ") && !retried
			want[retried || rerun] = append(want[retried || rerun], id)
		}
		c.awaitCalls(2, want[true]...)
		c.runMarkers(handlers[0])
		c.called(2, "after it was retried or rerun", want[true]...)
		c.called(1, "although it was neither retried nor rerun", want[false]...)
		left := slices.DeleteFunc(want[false], func(id string) bool { return strings.HasPrefix(id, acme) && strings.HasSuffix(id, "1") })
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the others were discarded or run", left...)
	},
}, {
	name: "DeadLettersMayChangeWhileListed",
	text: "Dead letters may be retried, rerun and discarded while they are listed.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.fillDeadLetters(s)
		ctx, cancel := c.callTimeout()
		defer cancel()
		do := []operation{s.box.Retry, s.box.Rerun, s.box.Discard}
		listed := 0
		for e, err := range s.box.DeadLetters(ctx, inbox.Filter{All: true}) {
			if err != nil {
				c.brokenf("after %d of them were changed, listing failed: %v", listed, err)
			}
			if n, err := do[listed%len(do)](ctx, inbox.Filter{ID: e.ID}); n != 1 || err != nil {
				c.brokenf("changing one returned %d, %v", n, err)
			}
			listed++
		}
		if listed != len(ids) {
			c.brokenf("%d of %d were listed", listed, len(ids))
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after all were changed")
	},
}}

// completesAndFails completes its delivery, as a callback does in its own transaction, and then returns Permanent.
func completesAndFails(ctx context.Context, _ *webhook.Delivery) error {
	claims, ok := idempotency.ClaimsFromContext(ctx)
	if !ok {
		return errors.New("the callback was not handlerWithStore by the store")
	}
	for _, key := range claims.Keys {
		if err := claims.Store.Complete(ctx, key, claims.Token); err != nil {
			return err
		}
	}
	return webhook.Permanent(errCallback)
}

// keys checks the keys, joined by spaces, of each call of the callback.
func (c *check) keys(id string, want ...string) {
	c.Helper()
	var got []string
	for _, one := range c.calls.of(id) {
		got = append(got, strings.Join(one.delivery.Keys, " "))
	}
	if !slices.Equal(got, want) {
		c.brokenf("the callback for %q was called with the keys %q rather than %q", id, got, want)
	}
}
