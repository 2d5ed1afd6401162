package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// deadLetterRules are the rules of how a delivery becomes a dead letter.
var deadLetterRules = []rule{{
	name: "PermanentFailureIsDeadLettered",
	text: "If its callback returns Permanent, a delivery is a dead letter at once, and its attempt has the error.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		c.runMarkers(h)
		c.called(1, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.DeadLettered, true, errCallback.Error()})
		if e.LastError() != errCallback.Error() {
			c.brokenf("its last error was %q", e.LastError())
		}
	},
}, {
	name: "UndecodableBodyIsDeadLettered",
	text: "If its body does not fit the type of its callback, a delivery is a dead letter at once, and the error reports that.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.post(undecodable("a"))
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		c.runMarkers(h)
		c.history(e, attempt{webhook.DeadLettered, true, "does not fit"})
		if got := h.outcomes("a"); len(got) != 1 {
			c.brokenf("its callback ran %d times", len(got))
		}
	},
}, {
	name: "ExhaustedDeliveryIsDeadLettered",
	text: "After its callback has failed MaxAttempts times, a delivery is a dead letter. It has all attempts with their errors, the oldest first.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 3})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errors.New("failure one")), panics, fails(errors.New("failure three"))))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		c.runMarkers(h)
		c.called(3, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.Failed, true, "failure one"}, attempt{webhook.Failed, true, "a panic"},
			attempt{webhook.Failed, true, "failure three"})
		if e.LastError() != "failure three" {
			c.brokenf("its last error was %q", e.LastError())
		}
	},
}, {
	name: "AttemptsPersist",
	text: "The attempts of a delivery are stored and counted across processes.",
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
				e := c.awaitDeadLetters(s, "a")["a"]
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
	name: "LongHistoryKeepsFirstAndLast",
	text: "A long history keeps the first attempt and the last ones.",
	check: func(c *check) {
		const most = engine.MaxAttemptsKept + 4
		s := c.open(inbox.Policy{MaxAttempts: most, Backoff: func(int) time.Duration { return time.Millisecond }})
		h := s.handler(acme, plain).on(ping, func(_ context.Context, d *webhook.Delivery) error {
			return fmt.Errorf("failure %d", c.calls.count(d.ID))
		})
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		c.called(most, "after it became a dead letter", "a")
		want := []attempt{{webhook.Failed, true, "failure 1"}}
		for n := most - engine.MaxAttemptsKept + 2; n <= most; n++ {
			want = append(want, attempt{webhook.Failed, true, fmt.Sprint("failure ", n)})
		}
		c.history(e, want...)
	},
}, {
	name: "ErrorMayBeAnyText",
	text: "An attempt is stored with any text of its error. The text is cut off after about MaxError bytes.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		text := "odd \"text\" \x00\xff\u2028' " + strings.Repeat("\u00e9", engine.MaxError)
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errors.New(text))))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		if got := e.LastError(); !strings.HasPrefix(got, "odd \"text\"") || len(got) > engine.MaxError+utf8.UTFMax { // an engine may replace characters
			c.brokenf("%d bytes of its error were stored, which begin with %.20q", len(got), got)
		}
	},
}, {
	name: "OnDeadLetterIsCalledOnce",
	text: "OnDeadLetter is called once for each dead letter, after it was stored, with the stored attempts. If it panics, nothing changes.",
	check: func(c *check) {
		var s *process
		unlisted := make(chan string, 1)
		s = c.open(inbox.Policy{MaxAttempts: 2, OnDeadLetter: func(_ context.Context, e inbox.Entry) {
			ctx, cancel := c.callTimeout()
			defer cancel()
			listed := false
			for found, err := range s.box.DeadLetters(ctx, inbox.Filter{ID: e.ID}) {
				listed = err == nil && found.Delivery.ID == e.Delivery.ID
			}
			if !listed {
				select {
				case unlisted <- e.Delivery.ID:
				default:
				}
			}
			panic("so is OnDeadLetter")
		}})
		h := s.handler(acme, plain).on(ping, fails(errCallback)).on(pong, fails(webhook.Permanent(errCallback)))
		h.sendNew(ping, "exhausted")
		h.sendNew(pong, "permanent")
		s.run(h)
		listed := c.awaitDeadLetters(s, "exhausted", "permanent")
		c.awaitAlerts(s, 2)
		c.runMarkers(h)
		if got := s.alerts(); len(got) != 2 || got[0] == got[1] {
			c.brokenf("OnDeadLetter was called for %q", got)
		}
		select {
		case id := <-unlisted:
			c.brokenf("when OnDeadLetter was called for %q, DeadLetters did not list it", id)
		default:
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range s.deadLettered {
			same := listed[e.Delivery.ID]
			if e.ID != same.ID || e.State != inbox.DeadLettered || len(e.Attempts) != len(same.Attempts) || e.LastError() != same.LastError() {
				c.brokenf("OnDeadLetter was called with %+v, and DeadLetters lists %+v", e, same)
			}
		}
	},
}, {
	name: "SlowOnDeadLetterBlocksNothing",
	text: "Calls of OnDeadLetter use no slot of a callback, and Run waits for them.",
	check: func(c *check) {
		g := c.gate()
		s := c.open(inbox.Policy{Concurrency: 2, OnDeadLetter: func(context.Context, inbox.Entry) { <-g.passed }})
		h := s.handler(acme, plain).on(ping, fails(webhook.Permanent(errCallback)))
		r := s.run(h)
		h.sendNew(ping, "a", "b", "c")
		c.awaitDeadLetters(s, "a", "b", "c")
		c.runMarkers(h)
		c.awaitAlerts(s, 3)
		g.open()
		r.stop()
	},
}}

func panics(context.Context, *webhook.Delivery) error { panic("a panic") }
