package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// controlRules are the rules of Pause, Resume and Audit.
var controlRules = []rule{{
	name: "PausedCallbacksWait",
	text: "After Pause in any process, deliveries of that scope are stored and do not run, also after a restart. They are deferred without a counted attempt. Other deliveries run. After Resume they run.",
	check: func(c *check) {
		tool := c.open(inbox.Policy{})
		scope := inbox.Scope{Vendor: acme, Type: ping}
		ctx, cancel := c.callTimeout()
		defer cancel()
		by := inbox.WithActor(ctx, inbox.Actor{By: "alice", Reason: "the database moves"})
		began := time.Now()
		if err := tool.box.Pause(by, scope); err != nil {
			c.brokenf("Pause failed: %v", err)
		}
		for range 2 { // the second time after a restart
			s := c.open(inbox.Policy{})
			h, other := s.handler(acme, plain).on(ping, succeed).on(pong, succeed), s.handler(emca, plain).on(ping, succeed)
			r := s.run(h, other)
			if !h.send(ping, "paused") {
				h.sendNew(pong, "other type")
				other.sendNew(ping, "other vendor")
			}
			c.awaitCalls(1, "other type", "other vendor")
			c.awaitListed(tool, inbox.Filter{State: inbox.Deferred}, "paused")
			c.runMarkers(h)
			c.called(0, "while its type was paused", "paused")
			r.stop()
			s.closes()
		}
		pauses, err := tool.box.Pauses(ctx)
		if err != nil || len(pauses) != 1 || pauses[0].Scope != scope || pauses[0].By != "alice" || pauses[0].Reason != "the database moves" || pauses[0].At.Before(began.Add(-tick)) {
			c.brokenf("Pauses returned %+v, %v", pauses, err)
		}
		s := c.open(inbox.Policy{MaxAttempts: 1})
		h := s.handler(acme, plain).on(ping, fails(errCallback))
		s.run(h)
		if err := tool.box.Resume(ctx, scope); err != nil {
			c.brokenf("Resume failed: %v", err)
		}
		e := c.awaitDeadLetters(s, "paused")["paused"]
		c.called(1, "after it was resumed", "paused")
		last := e.Attempts[len(e.Attempts)-1]
		if last.Outcome != webhook.Failed || slices.ContainsFunc(e.Attempts[:len(e.Attempts)-1], func(a inbox.Attempt) bool { return a.Counted || a.Outcome != inbox.Paused }) {
			c.brokenf("its attempts were %+v", e.Attempts)
		}
	},
}, {
	name: "RunFollowsPauses",
	text: "A Run that runs follows Pause and Resume of a vendor, an endpoint or a type. Resume ends only the pause of exactly its scope, and is ErrNotFound for any other. An empty Scope is ErrEmptyScope.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		h, eu := s.handler(acme, plain).on(ping, succeed), s.handler(acme, "eu").on(ping, succeed)
		s.run(h, eu)
		c.runMarkers(h)
		ctx, cancel := c.callTimeout()
		defer cancel()
		for n, scope := range []inbox.Scope{{Vendor: acme}, {Endpoint: plain}, {Type: ping}, {Vendor: acme, Endpoint: plain, Type: ping}} {
			if err := tool.box.Pause(ctx, scope); err != nil {
				c.brokenf("Pause of %+v failed: %v", scope, err)
			}
			id := fmt.Sprint("paused ", n)
			c.awaitf(func() bool { // deliveries that come before the Run has noticed still run
				probe := fmt.Sprint("probe ", n, " ", c.calls.total())
				h.send(ping, probe)
				return c.isDeferred(tool, probe)
			}, nil, "a delivery of the paused scope %+v was not deferred", scope)
			h.sendNew(ping, id)
			eu.sendNew(ping, "eu "+id)
			c.awaitListed(tool, inbox.Filter{State: inbox.Deferred, Text: "paused ", Endpoint: plain}, id)
			if !scope.Includes(acme, "eu", ping) {
				c.awaitCalls(1, "eu "+id)
			}
			if err := tool.box.Resume(ctx, inbox.Scope{Vendor: acme, Type: pong}); !errors.Is(err, inbox.ErrNotFound) {
				c.brokenf("Resume of another scope returned %v", err)
			}
			c.called(0, "while it was paused", id)
			if err := tool.box.Resume(ctx, scope); err != nil {
				c.brokenf("Resume of %+v failed: %v", scope, err)
			}
			c.awaitCalls(1, id, "eu "+id)
		}
		if pauses, err := tool.box.Pauses(ctx); err != nil || len(pauses) > 0 {
			c.brokenf("Pauses returned %+v, %v after all were resumed", pauses, err)
		}
		if err := tool.box.Pause(ctx, inbox.Scope{}); !errors.Is(err, inbox.ErrEmptyScope) {
			c.brokenf("Pause of an empty scope returned %v", err)
		}
	},
}, {
	name: "ChangesAreAudited",
	text: "Audit has each operation that changed something, the newest first: who, when, why, which filter, and how many entries. An operation that changed nothing leaves no record.",
	check: func(c *check) {
		s, tool := c.open(inbox.Policy{}), c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a", "b", "c", "d")
		r := s.run(h)
		dead := c.awaitDeadLetters(s, "a", "b", "c", "d")
		r.stop()
		ctx, cancel := c.callTimeout()
		defer cancel()
		alice := inbox.Actor{By: "alice", Reason: "a \"reason\" \u2028 with é"}
		by := inbox.WithActor(ctx, alice)
		as := func(do operation) operation {
			return func(_ context.Context, f inbox.Filter) (int, error) { return do(by, f) }
		}
		began := time.Now()
		c.operate(s, as(s.box.Discard), inbox.Filter{ID: dead["a"].ID}, 1, "discarding one")
		c.operate(s, as(s.box.Rerun), inbox.Filter{ID: dead["b"].ID}, 1, "rerunning one")
		c.operate(s, s.box.Retry, inbox.Filter{Vendor: acme}, 2, "retrying the others")
		c.operate(s, s.box.Retry, inbox.Filter{Vendor: acme}, 0, "retrying none")
		c.refused(s, inbox.Filter{ID: unknownID(dead["a"].ID)}, inbox.ErrNotFound, "an unknown ID")
		c.refused(s, inbox.Filter{}, inbox.ErrEmptyFilter, "an empty Filter")
		if err := errors.Join(s.box.Pause(by, inbox.Scope{Type: ping}), s.box.Resume(ctx, inbox.Scope{Type: ping})); err != nil {
			c.brokenf("Pause and Resume failed: %v", err)
		}
		_ = s.box.Resume(ctx, inbox.Scope{Type: ping}) // it is not paused any more
		want := []inbox.Change{
			{Action: inbox.ActionResume, Filter: inbox.Filter{Type: ping}},
			{Action: inbox.ActionPause, Filter: inbox.Filter{Type: ping}, Actor: alice},
			{Action: inbox.ActionRetry, Filter: inbox.Filter{Vendor: acme}, Entries: 2},
			{Action: inbox.ActionRerun, Filter: inbox.Filter{ID: dead["b"].ID}, Entries: 1, Actor: alice},
			{Action: inbox.ActionDiscard, Filter: inbox.Filter{ID: dead["a"].ID}, Entries: 1, Actor: alice},
		}
		got, err := tool.box.Audit(ctx)
		if err != nil || len(got) != len(want) {
			c.brokenf("Audit returned %+v, %v", got, err)
		}
		for i, change := range got {
			if change.At.Before(began.Add(-tick)) || change.At.After(time.Now().Add(tick)) {
				c.brokenf("the time of a change was %v", change.At)
			}
			change.At = time.Time{}
			if change != want[i] {
				c.brokenf("change %d was %+v rather than %+v", i, change, want[i])
			}
		}
	},
}}

// isDeferred waits until a delivery has run or is deferred, and reports whether it is deferred.
func (c *check) isDeferred(s *process, id string) (deferred bool) {
	c.Helper()
	c.awaitf(func() bool {
		if c.calls.count(id) > 0 {
			return true
		}
		deferred = slices.Contains(deliveryIDs(c.listed(s, inbox.Query{Filter: inbox.Filter{State: inbox.Deferred}})), id)
		return deferred
	}, nil, "%q had neither run nor been deferred", id)
	return deferred
}
