package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// buryRules are those of how a delivery becomes a dead letter.
var buryRules = []rule{{
	name: "PermanentFailureIsDeadAtOnce",
	says: "A delivery whose callback returns Permanent is a dead letter at once, with the error.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		c.overtake(h)
		c.called(1, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.DeadLettered, true, errCallback.Error()})
		if e.LastError() != errCallback.Error() {
			c.brokenf("its last error was %q", e.LastError())
		}
	},
}, {
	name: "BodyThatDoesNotFitIsDeadAtOnce",
	says: "A delivery whose body does not fit the type of its callback is a dead letter at once, with an error that says so.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.post(misfit("a"))
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		c.overtake(h)
		c.history(e, attempt{webhook.DeadLettered, true, "does not fit"})
		if got := h.outcomes("a"); len(got) != 1 {
			c.brokenf("it was tried %d times", len(got))
		}
	},
}, {
	name: "ExhaustedDeliveryIsDead",
	says: "A delivery whose callback has failed MaxAttempts times is a dead letter, with all attempts, the oldest first, and their errors.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 3})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errors.New("failure one")), panics, fails(errors.New("failure three"))))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		c.overtake(h)
		c.called(3, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.Failed, true, "failure one"}, attempt{webhook.Failed, true, "a panic"},
			attempt{webhook.Failed, true, "failure three"})
		if e.LastError() != "failure three" {
			c.brokenf("its last error was %q", e.LastError())
		}
	},
}, {
	name: "AttemptsOutliveTheProcess",
	says: "The attempts of a delivery are counted and kept across processes.",
	check: func(c *check) {
		for n := 1; ; n++ {
			s := c.open(inbox.Policy{MaxAttempts: 3, Backoff: func(int) time.Duration { return 50 * time.Millisecond }})
			h := s.handler(acme, plain).on(ping, func(_ context.Context, d *webhook.Delivery) error {
				return fmt.Errorf("failure %d", c.calls.count(d.ID))
			})
			if n == 1 {
				h.sendNew(ping, "a")
			}
			r := s.run(h)
			if n == 3 {
				e := c.awaitDead(s, "a")["a"]
				c.called(3, "after it became a dead letter", "a")
				c.history(e, attempt{webhook.Failed, true, "failure 1"}, attempt{webhook.Failed, true, "failure 2"}, attempt{webhook.Failed, true, "failure 3"})
				return
			}
			c.awaitCalls(n, "a")
			r.stop()
			s.closes()
		}
	},
}, {
	name: "LongHistoryKeepsItsEnds",
	says: "Of a long history the first attempt and the last ones are kept.",
	check: func(c *check) {
		const most = inbox.MaxAttemptsKept + 4
		s := c.open(inbox.Policy{MaxAttempts: most, Backoff: func(int) time.Duration { return time.Millisecond }})
		h := s.handler(acme, plain).on(ping, func(_ context.Context, d *webhook.Delivery) error {
			return fmt.Errorf("failure %d", c.calls.count(d.ID))
		})
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		c.called(most, "after it became a dead letter", "a")
		want := []attempt{{webhook.Failed, true, "failure 1"}}
		for n := most - inbox.MaxAttemptsKept + 2; n <= most; n++ {
			want = append(want, attempt{webhook.Failed, true, fmt.Sprint("failure ", n)})
		}
		c.history(e, want...)
	},
}, {
	name: "ErrorMayBeOfAnyText",
	says: "An attempt is kept whatever the text of its error, cut off after MaxError bytes at the most.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		text := "odd \"text\" \x00\xff\u2028' " + strings.Repeat("\u00e9", inbox.MaxError)
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errors.New(text))))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		if got := e.LastError(); !strings.HasPrefix(got, "odd \"text\"") || len(got) > inbox.MaxError+utf8.UTFMax { // for what had to be replaced
			c.brokenf("%d bytes of its error were kept, which begin with %.20q", len(got), got)
		}
	},
}, {
	name: "OnDeadIsCalledOnce",
	says: "OnDead is called once for each delivery that has become a dead letter, once it is one, with all that is kept of it. A panic of it changes nothing.",
	check: func(c *check) {
		var s *site
		unlisted := make(chan string, 1)
		s = c.open(inbox.Policy{MaxAttempts: 2, OnDead: func(_ context.Context, e inbox.Entry) {
			ctx, cancel := c.patiently()
			defer cancel()
			listed := false
			for found, err := range s.box.Dead(ctx, inbox.Filter{ID: e.ID}) {
				listed = err == nil && found.Delivery.ID == e.Delivery.ID
			}
			if !listed {
				select {
				case unlisted <- e.Delivery.ID:
				default:
				}
			}
			panic("so is OnDead")
		}})
		h := s.handler(acme, plain).on(ping, fails(errCallback)).on(pong, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "exhausted")
		h.sendNew(pong, "permanent")
		s.run(h)
		listed := c.awaitDead(s, "exhausted", "permanent")
		c.awaitAlerts(s, 2)
		c.overtake(h)
		if got := s.alerts(); len(got) != 2 || got[0] == got[1] {
			c.brokenf("it was called for %q", got)
		}
		select {
		case id := <-unlisted:
			c.brokenf("when it was called for %q, that was not among the dead letters", id)
		default:
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.buried {
			same := listed[e.Delivery.ID]
			if e.ID != same.ID || e.State != inbox.Dead || len(e.Attempts) != len(same.Attempts) || e.LastError() != same.LastError() {
				c.brokenf("it was called with %+v, where %+v is listed", e, same)
			}
		}
	},
}, {
	name: "SlowOnDeadHoldsNothingUp",
	says: "Calls of OnDead take no place of a callback, and Run waits for them.",
	check: func(c *check) {
		g := c.gate()
		s := c.open(inbox.Policy{Concurrency: 2, OnDead: func(context.Context, inbox.Entry) { <-g.passed }})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		r := s.run(h)
		h.sendNew(ping, "a", "b", "c")
		c.awaitDead(s, "a", "b", "c")
		c.overtake(h)
		c.awaitAlerts(s, 3)
		g.open()
		r.stop()
	},
}}

func panics(context.Context, *webhook.Delivery) error { panic("a panic") }
