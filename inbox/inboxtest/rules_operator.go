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

// operatorRules are those of what an operator does with dead letters.
var operatorRules = []rule{{
	name: "RetryRunsAgainWithAFreshBudget",
	says: "Retry has a dead letter run again, at once, from any process, under the keys that it had, and with MaxAttempts attempts more; those before are kept.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{MaxAttempts: 2}), c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		r := s.run(h)
		id := c.awaitDead(s, "a")["a"].ID
		time.Sleep(tick) // the Run has nothing to do
		c.operate(s, tool.box.Retry, inbox.Filter{ID: id}, 1, "retrying it while a Run goes on")
		c.awaitCalls(4, "a")
		e := c.awaitDead(s, "a")["a"]
		failed := attempt{webhook.Failed, true, errCallback.Error()}
		c.history(e, failed, failed, failed, failed)
		r.stop()
		c.awaitAlerts(s, 2)
		c.operate(s, s.box.Retry, inbox.Filter{ID: e.ID}, 1, "retrying it while there is no Run")
		c.onlyDead(s, inbox.Filter{All: true}, "after all were retried")
		s.run(h)
		c.awaitCalls(5, "a")
		c.overtake(h)
		c.onlyDead(s, inbox.Filter{All: true}, "after the callback succeeded")
		if !h.send(ping, "a") {
			c.brokenf("the delivery that was sent again was taken for a new one")
		}
		c.overtake(h)
		c.called(5, "after the fifth call succeeded", "a")
		c.keys("a", keyOf("a"), keyOf("a"), keyOf("a"), keyOf("a"), keyOf("a"))
	},
}, {
	name: "RetryRunsWhatWasPermanent",
	says: "Retry runs the callback of a dead letter also if the callback returned Permanent, if it fails so again, and if its body did not fit.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(webhook.Permanent(errCallback)), fails(webhook.Permanent(errCallback)), succeed))
		h.sendNew(ping, "a")
		h.post(misfit("b"))
		s.run(h)
		for n := 1; n <= 2; n++ {
			e := c.awaitDead(s, "a", "b")
			c.called(n, "before it was retried", "a")
			c.operate(s, s.box.Retry, inbox.Filter{ID: e["a"].ID}, 1, "retrying what was permanent")
			c.operate(s, s.box.Retry, inbox.Filter{ID: e["b"].ID}, 1, "retrying what did not fit")
			c.awaitCalls(n+1, "a")
			c.awaitOutcomes(h, "b", n+1)
		}
		c.awaitDead(s, "b")
		c.onlyDead(s, inbox.Filter{All: true}, "after the callback succeeded", "b")
	},
}, {
	name: "RetryOfWhatHasCompletedIsDone",
	says: "Retry of a dead letter whose callback has completed it all the same finds it done, and does not call back again.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, completesAndFails)
		h.sendNew(ping, "a")
		s.run(h)
		id := c.awaitDead(s, "a")["a"].ID
		c.operate(s, s.box.Retry, inbox.Filter{ID: id}, 1, "retrying it")
		c.awaitOutcomes(h, "a", 2)
		c.overtake(h)
		c.called(1, "after it was retried", "a")
		if got := h.outcomes("a"); !slices.Equal(got, []webhook.Outcome{webhook.DeadLettered, webhook.Duplicate}) {
			c.brokenf("it was tried with the outcomes %v", got)
		}
		c.onlyDead(s, inbox.Filter{All: true}, "after it was found completed")
	},
}, {
	name: "RerunRunsUnderKeysOfItsOwn",
	says: "Rerun has a dead letter run again although it has completed, each time under keys of its own: key#1, then key#2. Sent again, it is a duplicate all the same.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, c.inTurn(completesAndFails, fails(errCallback), completesAndFails, succeed))
		d := deliveryOf(acme, plain, ping, "a")
		d.Keys = append(d.Keys, keyOf("another name of a"))
		s.enqueue(d)
		r := s.run(h)
		c.operate(s, s.box.Rerun, inbox.Filter{ID: c.awaitDead(s, "a")["a"].ID}, 1, "rerunning it")
		c.awaitCalls(3, "a")
		e := c.awaitDead(s, "a")["a"]
		c.history(e, attempt{webhook.DeadLettered, true, ""}, attempt{webhook.Failed, true, ""}, attempt{webhook.DeadLettered, true, ""})
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{MaxAttempts: 2})
		h = s.handler(acme, plain).on(ping, succeed)
		c.operate(s, s.box.Rerun, inbox.Filter{ID: e.ID}, 1, "rerunning it once more")
		s.run(h)
		c.awaitCalls(4, "a")
		if !h.send(ping, "a") {
			c.brokenf("the delivery that was sent again was taken for a new one")
		}
		c.overtake(h)
		c.called(4, "after the fourth call succeeded", "a")
		both := func(suffix string) string { return d.Keys[0] + suffix + " " + d.Keys[1] + suffix }
		c.keys("a", both(""), both("#1"), both("#1"), both("#2"))
		c.onlyDead(s, inbox.Filter{All: true}, "after the callback succeeded")
	},
}, {
	name: "RetryAfterRerunKeepsItsKeys",
	says: "Retry of what was rerun goes on under the keys of the rerun, and a further Rerun is under new ones.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		for i, do := range []operation{s.box.Rerun, s.box.Retry, s.box.Rerun} {
			e := c.awaitDead(s, "a")["a"]
			c.operate(s, do, inbox.Filter{ID: e.ID}, 1, "having it run again")
			c.awaitCalls(i+2, "a")
		}
		c.overtake(h)
		c.keys("a", keyOf("a"), keyOf("a")+"#1", keyOf("a")+"#1", keyOf("a")+"#2")
	},
}, {
	name: "DiscardedIsDone",
	says: "A dead letter that is discarded is listed and run no more, and sent again, it is a duplicate.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a", "b")
		r := s.run(h)
		dead := c.awaitDead(s, "a", "b")
		c.operate(s, s.box.Discard, inbox.Filter{ID: dead["a"].ID}, 1, "discarding one")
		c.onlyDead(s, inbox.Filter{All: true}, "after one was discarded", "b")
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h = s.handler(acme, plain).on(ping, succeed)
		c.onlyDead(s, inbox.Filter{All: true}, "after one was discarded and the inbox opened again", "b")
		if !h.send(ping, "a") {
			c.brokenf("the one that was discarded was taken for a new one")
		}
		c.operate(s, s.box.Retry, inbox.Filter{All: true}, 1, "retrying what is left")
		s.run(h)
		c.awaitCalls(2, "b")
		c.overtake(h)
		c.called(1, "after it was discarded", "a")
	},
}, {
	name: "DeliveriesWithoutCallbackMayBeDiscarded",
	says: "A Filter whose State is Waiting selects deliveries without a callback, as far as its other fields do, and no dead letters. Those that are discarded do not run once there is a callback, and sent again, they are duplicates.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h, other := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback))), s.handler(emca, plain).on(ping, succeed)
		h.sendNew(pong, "a", "b", "c")
		h.sendNew(ping, "dead")
		other.sendNew(pong, "other")
		r := s.run(h, other)
		c.awaitDead(s, "dead")
		waiting := inbox.Filter{State: inbox.Waiting, All: true}
		var found []inbox.Entry
		c.awaitf(func() bool { found = c.dead(s, waiting); return len(found) == 4 },
			func() any { return fmt.Sprintf("%d are", len(found)) }, "the four deliveries without a callback were not listed")
		byID := map[string]inbox.Entry{}
		for _, e := range found {
			if e.State != inbox.Waiting || e.Delivery.Type != pong {
				c.brokenf("an entry of type %q with the state %q was listed", e.Delivery.Type, e.State)
			}
			byID[e.Delivery.ID] = e
		}
		if _, err := s.box.Discard(context.Background(), inbox.Filter{ID: byID["a"].ID}); !errors.Is(err, inbox.ErrNotFound) {
			c.brokenf("discarding one as a dead letter returned %v", err)
		}
		c.operate(s, s.box.Discard, inbox.Filter{State: inbox.Waiting, ID: byID["a"].ID}, 1, "discarding one by its ID")
		c.operate(s, s.box.Discard, inbox.Filter{State: inbox.Waiting, Vendor: emca}, 1, "discarding a vendor's")
		c.onlyDead(s, waiting, "after two were discarded", "b", "c")
		c.onlyDead(s, inbox.Filter{All: true}, "after two without a callback were discarded", "dead")
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h, other = s.handler(acme, plain).on(pong, succeed), s.handler(emca, plain).on(pong, succeed)
		if !h.send(pong, "a") || !other.send(pong, "other") {
			c.brokenf("one that was discarded was taken for a new one")
		}
		s.run(h, other)
		c.awaitCalls(1, "b", "c")
		c.overtake(h)
		c.called(0, "after it was discarded", "a", "other")
		if n := len(c.dead(s, waiting)); n > 0 {
			c.brokenf("%d deliveries were listed as without a callback after there was one", n)
		}
	},
}, {
	name: "BulkOperations",
	says: "Retry, Rerun and Discard of many by vendor, endpoint, type and time return how many there were, and leave all others alone.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.graveyard(s) // 16, half of each
		hours := func(n int) time.Time { return sent.Add(time.Duration(n) * time.Hour) }
		c.operate(s, s.box.Discard, inbox.Filter{Vendor: acme, Until: hours(2)}, 4, "discarding a vendor's early ones")
		c.operate(s, s.box.Retry, inbox.Filter{Vendor: acme, Type: ping}, 2, "retrying a vendor's pings")
		c.operate(s, s.box.Rerun, inbox.Filter{Endpoint: "eu", From: hours(2)}, 3, "rerunning an endpoint's late ones")
		var hooks []*hook
		for _, vendor := range []string{acme, emca} {
			for _, endpoint := range []string{plain, "eu"} {
				hooks = append(hooks, s.handler(vendor, endpoint).on(ping, succeed).on(pong, succeed))
			}
		}
		s.run(hooks...)
		want := map[bool][]string{}
		for _, id := range ids {
			retried := strings.HasPrefix(id, acme) && strings.HasSuffix(id, "ping 2")
			rerun := strings.HasSuffix(id, "2") && strings.Contains(id, " eu ") && !retried
			want[retried || rerun] = append(want[retried || rerun], id)
		}
		c.awaitCalls(2, want[true]...)
		c.overtake(hooks[0])
		c.called(2, "after it was to be run once more", want[true]...)
		c.called(1, "after it was not to be run once more", want[false]...)
		left := slices.DeleteFunc(want[false], func(id string) bool { return strings.HasPrefix(id, acme) && strings.HasSuffix(id, "1") })
		c.onlyDead(s, inbox.Filter{All: true}, "after the others were discarded or run", left...)
	},
}, {
	name: "DeadLettersMayBeDealtWithWhileListed",
	says: "Dead letters may be retried, rerun and discarded one by one while they are being listed.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		ids := c.graveyard(s)
		ctx, cancel := c.patiently()
		defer cancel()
		do := []operation{s.box.Retry, s.box.Rerun, s.box.Discard}
		seen := 0
		for e, err := range s.box.Dead(ctx, inbox.Filter{All: true}) {
			if err != nil {
				c.brokenf("after %d of them had been dealt with, listing failed: %v", seen, err)
			}
			if n, err := do[seen%len(do)](ctx, inbox.Filter{ID: e.ID}); n != 1 || err != nil {
				c.brokenf("dealing with one returned %d, %v", n, err)
			}
			seen++
		}
		if seen != len(ids) {
			c.brokenf("%d of %d were listed", seen, len(ids))
		}
		c.onlyDead(s, inbox.Filter{All: true}, "after all were dealt with")
	},
}}

// completesAndFails completes its delivery, as a callback does within its own transaction, and then wants it buried.
func completesAndFails(ctx context.Context, _ *webhook.Delivery) error {
	claims, ok := idempotency.ClaimsFromContext(ctx)
	if !ok {
		return errors.New("the callback was not guarded by the store")
	}
	for _, key := range claims.Keys {
		if err := claims.Store.Complete(ctx, key, claims.Token); err != nil {
			return err
		}
	}
	return webhook.Permanent(errCallback)
}

// keys checks under which keys, with a space between them, the callback has been called each time.
func (c *check) keys(id string, want ...string) {
	c.Helper()
	var got []string
	for _, one := range c.calls.of(id) {
		got = append(got, strings.Join(one.delivery.Keys, " "))
	}
	if !slices.Equal(got, want) {
		c.brokenf("%q was called back for under the keys %q rather than %q", id, got, want)
	}
}
