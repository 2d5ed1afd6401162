package inboxtest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// drainRules are the rules of how a Run ends.
var drainRules = []rule{{
	name: "RunWaitsForCallbacks",
	text: "After its context has ended, Run starts no callbacks. It waits for those that run without canceling them, and returns nil. The next Run runs the other deliveries.",
	check: func(c *check) {
		s, g := c.open(inbox.Policy{Concurrency: 1, MaxAttempts: 1}), c.gate()
		var canceled atomic.Bool
		h := s.handler(acme, plain).on(ping, g.wait(func(ctx context.Context, _ *webhook.Delivery) error {
			canceled.Store(ctx.Err() != nil)
			return nil
		}))
		r := s.run(h)
		h.sendNew(ping, "a")
		c.awaitStarted(1, "a")
		h.sendNew(ping, "b", "c")
		time.Sleep(tick) // time for a Run that exceeds Concurrency
		r.cancel()
		h.sendNew(ping, "d")
		time.Sleep(10 * tick) // time for a Run that does not wait
		if r.isReturned() {
			c.brokenf("Run returned while a callback ran, with the error %v", r.err)
		}
		g.open()
		r.stop()
		if canceled.Load() {
			c.brokenf("the context of the callback had ended")
		}
		c.called(1, "after Run had returned", "a")
		c.called(0, "after Run had returned", "b", "c", "d")
		s.run(h)
		c.awaitCalls(1, "b", "c", "d")
		c.called(1, "after the next Run", "a", "b", "c", "d")
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the next Run")
		c.runMarkers(h)
		c.awaitOutcomes(h, "a", 1)
	},
}, {
	name: "EndedRunStartsNothing",
	text: "If its context has ended before it begins, Run returns nil and runs nothing.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.sendNew(ping, "a")
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		s.runUnder(ended, h).stop()
		c.called(0, "after a Run that had ended before it began", "a")
		s.run(h)
		c.awaitCalls(1, "a")
	},
}, {
	name: "EnqueueWorksWithoutRun",
	text: "Deliveries are stored until the inbox is closed, even without a Run, and after Run and the handler were shut down.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.sendNew(ping, "before")
		r := s.run(h)
		c.awaitCalls(1, "before")
		r.stop()
		h.sendNew(ping, "after Run")
		c.shutdown(h)
		h.sendNew(ping, "after Shutdown")
		s.closes()
		s = c.open(inbox.Policy{})
		s.run(s.handler(acme, plain).on(ping, succeed))
		c.awaitCalls(1, "after Run", "after Shutdown")
	},
}, {
	name: "CallbackIsCanceledAfterDrainTimeout",
	text: "A callback that still runs after the DrainTimeout is canceled. Its attempt does not count. The next Run runs it at once, without waiting for a lease to end.",
	check: func(c *check) {
		const patience = 200 * time.Millisecond
		untilFast(func(try string, last bool) (slow bool) {
			s := c.open(inbox.Policy{MaxAttempts: 1, DrainTimeout: patience})
			id := "try " + try
			h := s.handler(acme, plain).on(ping, c.inTurn(c.untilCanceled(), fails(errCallback)))
			h.sendNew(ping, id)
			r := s.run(h)
			c.awaitStarted(1, id)
			ended := time.Now()
			r.cancel()
			err := r.result()
			slow = !last && endedLate(err)
			switch first := c.call(id, 1); {
			case slow:
			case err != nil:
				c.brokenf("Run returned an error after its context had ended: %v", err)
			case first.ended.IsZero():
				c.brokenf("Run returned while the callback ran")
			case first.ended.Sub(ended) < patience-tick:
				c.brokenf("it was canceled %v after the context had ended, and the DrainTimeout is %v", first.ended.Sub(ended), patience)
			}
			returned := time.Now()
			r = s.run(h)
			dead := c.awaitDeadLetters(s, id)[id]
			slow = slow || !last && recordedLate(dead)
			if !slow {
				c.countedOnceAfterDrain(id, dead)
			}
			took := c.call(id, 2).began.Sub(returned)
			r.stop()
			s.closes()
			if last && took >= c.Lease {
				c.brokenf("the next Run ran it after %v, and a lease is %v", took, c.Lease)
			}
			return slow || took >= c.Lease
		})
	},
}, {
	name: "SuccessAfterCancelIsDone",
	text: "If a callback succeeds although it was canceled after the DrainTimeout, its delivery is done.",
	check: func(c *check) {
		untilFast(func(try string, last bool) (slow bool) {
			s := c.open(inbox.Policy{DrainTimeout: 50 * time.Millisecond})
			id, obeys := "try "+try, c.untilCanceled()
			h := s.handler(acme, plain).on(ping, func(ctx context.Context, d *webhook.Delivery) error {
				_ = obeys(ctx, d)
				return nil
			})
			h.sendNew(ping, id)
			r := s.run(h)
			c.awaitStarted(1, id)
			r.cancel()
			if !last && endedLate(r.result()) {
				s.closes()
				return true
			}
			r.stop()
			s.run(h)
			c.runMarkers(h)
			if got := h.outcomes(id); !slices.Equal(got, []webhook.Outcome{webhook.Handled}) {
				c.brokenf("its outcomes were %v", got)
			}
			return false
		})
	},
}, {
	name: "ShutdownHasOneDeadline",
	text: "Shutdown ends every Run. It cancels callbacks when its context ends, whatever the DrainTimeout is. Deliveries are still stored, a new Run returns ErrShutdown, and the next process runs the other deliveries.",
	check: func(c *check) {
		const patience = 200 * time.Millisecond
		untilFast(func(try string, last bool) (slow bool) {
			first, second := "first "+try, "second "+try
			s := c.open(inbox.Policy{MaxAttempts: 1, DrainTimeout: 2 * c.Patience})
			h := s.handler(acme, plain).on(ping, c.untilCanceled())
			h.sendNew(ping, first)
			r := s.run(h)
			c.awaitStarted(1, first)
			down := make(chan error, 1)
			began := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			go func() { down <- s.box.Shutdown(ctx) }()
			c.awaitf(r.isReturned, nil, "Run had not returned")
			err := errors.Join(<-down, r.err)
			cancel()
			slow = !last && endedLate(err)
			switch call := c.call(first, 1); {
			case err != nil && !slow:
				c.brokenf("Shutdown or Run returned %v, although every callback returned", err)
			case err == nil && call.ended.Sub(began) < patience-tick:
				c.brokenf("the callback was canceled after %v, and the deadline of the context was after %v", call.ended.Sub(began), patience)
			}
			h.sendNew(ping, second)
			if err := s.box.Run(context.Background(), h); !errors.Is(err, inbox.ErrShutdown) {
				c.brokenf("Run returned %v rather than ErrShutdown", err)
			}
			s.closes()
			s = c.open(inbox.Policy{MaxAttempts: 1})
			r = s.run(s.handler(acme, plain).on(ping, fails(errCallback)))
			dead := c.awaitDeadLetters(s, first, second)[first]
			slow = slow || !last && recordedLate(dead)
			if !slow {
				c.countedOnceAfterDrain(first, dead)
				return false
			}
			r.stop()
			s.closes()
			return true
		})
	},
}, {
	name: "HandlerMayBeShutDownFirst",
	text: "If a handler is shut down before the context of Run ends, its deliveries stay pending. They are not retried in a loop, no attempt counts, and the next Run runs them.",
	check: func(c *check) {
		s, g := c.open(inbox.Policy{MaxAttempts: 1}), c.gate()
		h := s.handler(acme, plain).on(ping, g.wait(succeed))
		r := s.run(h)
		h.sendNew(ping, "running")
		c.awaitStarted(1, "running")
		down := make(chan error, 1)
		go func() {
			ctx, cancel := c.callTimeout()
			defer cancel()
			down <- h.Shutdown(ctx)
		}()
		c.awaitf(func() bool {
			return h.Redeliver(context.Background(), deliveryOf(acme, plain, marker, "probe")).Reason == webhook.ReasonShuttingDown
		}, nil, "the handler was not shutting down")
		waiting := []string{"a", "b", "c"}
		began := time.Now()
		h.sendNew(ping, waiting...)
		time.Sleep(500 * time.Millisecond) // time for a Run that retries in a loop
		g.open()
		if err := <-down; err != nil {
			c.Fatalf("the handler was not shut down: %v", err)
		}
		r.stop()
		took, tries := time.Since(began), 0
		for _, id := range waiting {
			tries += len(h.outcomes(id))
		}
		if tries > 20*len(waiting)*(1+int(took.Seconds())) {
			c.brokenf("%d deliveries were attempted %d times in %v", len(waiting), tries, took)
		}
		c.called(0, "after the handler was shut down", waiting...)
		h = s.handler(acme, plain).on(ping, fails(errCallback))
		s.run(h)
		dead := c.awaitDeadLetters(s, waiting...)
		for _, id := range waiting {
			c.countedOnce(id, dead[id])
		}
		c.called(1, "after the next Run", "running")
	},
}}

// untilCanceled returns a callback that runs until its context ends, or the case does.
func (c *check) untilCanceled() callback {
	end := c.gate()
	return func(ctx context.Context, _ *webhook.Delivery) error {
		select {
		case <-ctx.Done():
		case <-end.passed:
		}
		return ctx.Err()
	}
}

// untilFast calls f until the machine was fast enough for the rule. The last try counts on any machine.
func untilFast(f func(try string, last bool) (slow bool)) {
	const tries = 10
	for try := 1; f(strconv.Itoa(try), try == tries) && try < tries; try++ {
	}
}

// endedLate reports whether a canceled callback ended after the grace second, which happens on a busy machine.
func endedLate(err error) bool {
	var late *inbox.DrainError
	return errors.As(err, &late)
}

// recordedLate reports whether a callback's end was recorded after the lease, which happens on a busy machine.
func recordedLate(dead inbox.Entry) bool {
	return len(dead.Attempts) > 0 && dead.Attempts[0].Outcome == inbox.Lost
}

// countedOnceAfterDrain checks the attempts of a delivery that was canceled once and then failed.
func (c *check) countedOnceAfterDrain(id string, e inbox.Entry) {
	c.Helper()
	if c.calls.count(id) != 2 {
		c.brokenf("it became a dead letter after %d calls, with the attempts %+v", c.calls.count(id), e.Attempts)
	}
	c.history(e, attempt{webhook.Failed, false, context.Canceled.Error()}, attempt{webhook.Failed, true, errCallback.Error()})
}

// shutdown shuts a handler down.
func (c *check) shutdown(h *handler) {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		c.Fatalf("the handler was not shut down: %v", err)
	}
}
