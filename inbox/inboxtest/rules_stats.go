package inboxtest

import (
	"fmt"
	"maps"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// statsRules are the rules of Stats.
var statsRules = []rule{{
	name: "StatsCountEntries",
	text: "Stats counts the entries by state, in total and for each endpoint. Running counts the callbacks of this process; Done may be zero. Oldest is when the longest waiting of the pending deliveries that are due was due.",
	check: func(c *check) {
		const special = "EU_1.Special" // the name of an endpoint that an engine may have to escape
		s := c.open(inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }})
		gate := c.gate()
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		other := s.handler(acme, special).on(ping, gate.wait(fails(errCallback)))
		name, otherName := acme+"/"+plain, acme+"/"+special
		c.stats(s, "before the first delivery", nil, never)

		began := time.Now()
		h.sendNew(ping, "a")
		first := period{began, time.Now()}
		time.Sleep(10 * tick) // makes the times differ
		h.sendNew(ping, "b", "c")
		h.sendNew(pong, "d")
		h.sendNew(marker, "e")
		other.sendNew(ping, "f")
		other.sendNew(pong, "g", "h")
		c.stats(s, "before a Run", map[string]inbox.Counts{name: {Pending: 5}, otherName: {Pending: 3}}, first)

		r := s.run(h, other)
		c.awaitStarted(1, "f")
		counts := inbox.Counts{Deferred: 1, DeadLettered: 3, Done: 1}
		c.stats(s, "while a callback runs", map[string]inbox.Counts{name: counts, otherName: {Running: 1, Deferred: 2}}, never)
		gate.open()
		otherCounts := inbox.Counts{Pending: 1, Deferred: 2}
		c.stats(s, "while a delivery waits for its next attempt", map[string]inbox.Counts{name: counts, otherName: otherCounts}, never)
		r.stop()
		s.closes()

		s = c.open(inbox.Policy{})
		dead := c.awaitDeadLetters(s, "a", "b", "c")
		began = time.Now()
		c.operate(s, s.box.Retry, inbox.Filter{ID: dead["a"].ID}, 1, "retrying one")
		retried := period{began, time.Now()}
		c.operate(s, s.box.Discard, inbox.Filter{ID: dead["b"].ID}, 1, "discarding one")
		c.operate(s, s.box.Discard, inbox.Filter{State: inbox.Deferred, Endpoint: special}, 2, "discarding an endpoint's deferred ones")
		c.stats(s, "after Retry and Discard", map[string]inbox.Counts{
			name:      {Pending: 1, Deferred: 1, DeadLettered: 1, Done: 2},
			otherName: {Pending: 1, Done: 2},
		}, retried)
	},
}}

// A period is the time in which something happened.
type period struct{ from, to time.Time }

var never period

// stats waits until Stats returns these counts of the endpoints, and checks that Oldest is in the period.
func (c *check) stats(s *process, when string, endpoints map[string]inbox.Counts, oldest period) {
	c.Helper()
	var got inbox.Stats
	var took time.Duration
	c.awaitf(func() bool {
		ctx, cancel := c.callTimeout()
		defer cancel()
		began := time.Now()
		var err error
		if got, err = s.box.Stats(ctx); err != nil {
			c.brokenf("%s, Stats failed: %v", when, err)
		}
		took = time.Since(began)
		return countsEqual(got, endpoints)
	}, func() any { return fmt.Sprintf("%+v", got) }, "%s, Stats did not return the counts %+v", when, endpoints)
	slack := took + tick // engines convert the time between two clocks
	if oldest == never && !got.Oldest.IsZero() || oldest != never && (got.Oldest.Before(oldest.from.Add(-slack)) || got.Oldest.After(oldest.to.Add(slack))) {
		c.brokenf("%s, Oldest was %v rather than between %v and %v", when, got.Oldest, oldest.from, oldest.to)
	}
}

// countsEqual reports whether the stats have these counts, in total and for each endpoint. Each Done may be zero.
func countsEqual(got inbox.Stats, want map[string]inbox.Counts) bool {
	var total inbox.Counts
	endpoints := make(map[string]inbox.Counts)
	for name, n := range got.Endpoints {
		for state, count := range map[inbox.State]int{
			inbox.Pending: n.Pending, inbox.Running: n.Running, inbox.Deferred: n.Deferred, inbox.DeadLettered: n.DeadLettered, inbox.Done: n.Done,
		} {
			total.Add(state, count)
		}
		if n.Done == 0 {
			n.Done = want[name].Done
		}
		endpoints[name] = n
	}
	return got.Counts == total && maps.Equal(endpoints, want)
}
