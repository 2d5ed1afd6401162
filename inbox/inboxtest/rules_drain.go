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

// drainRules are those of how a Run ends.
var drainRules = []rule{{
	name: "RunWaitsForWhatItHasStarted",
	says: "Once its context has ended, Run starts nothing more, waits for the callbacks that run, without cancelling them, and returns nil; what is left runs with the next Run.",
	check: func(c *check) {
		s, g := c.open(inbox.Policy{Concurrency: 1, MaxAttempts: 1}), c.gate()
		var cancelled atomic.Bool
		h := s.handler(acme, plain).on(ping, g.wait(func(ctx context.Context, _ *webhook.Delivery) error {
			cancelled.Store(ctx.Err() != nil)
			return nil
		}))
		r := s.run(h)
		h.sendNew(ping, "a")
		c.awaitStarted(1, "a")
		h.sendNew(ping, "b", "c")
		time.Sleep(tick) // for a Run that has places after all
		r.cancel()
		h.sendNew(ping, "d")
		time.Sleep(10 * tick) // for a Run that does not wait
		if r.isReturned() {
			c.brokenf("it returned while a callback ran, with the error %v", r.err)
		}
		g.open()
		r.stop()
		if cancelled.Load() {
			c.brokenf("the context of the callback had ended")
		}
		c.called(1, "after Run had returned", "a")
		c.called(0, "after Run had returned", "b", "c", "d")
		s.run(h)
		c.awaitCalls(1, "b", "c", "d")
		c.called(1, "after the next Run", "a", "b", "c", "d")
		c.onlyDead(s, inbox.Filter{All: true}, "after the next Run")
		c.overtake(h)
		c.awaitOutcomes(h, "a", 1)
	},
}, {
	name: "NothingIsStartedAfterTheEnd",
	says: "A Run whose context has ended before it begins returns nil and runs nothing.",
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
	name: "EnqueueWorksWithoutARun",
	says: "Until the inbox is closed deliveries are taken, also when no Run goes on, or when Run and the handler have been shut down.",
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
	name: "CallbackIsCancelledAfterTheDrainTimeout",
	says: "A callback that still runs after the DrainTimeout is cancelled. Its attempt does not count, and the next Run runs it at once, without waiting for a lease to end.",
	check: func(c *check) {
		const patience, tries = 200 * time.Millisecond, 10
		for try := 1; ; try++ {
			s := c.open(inbox.Policy{MaxAttempts: 1, DrainTimeout: patience})
			id := "try " + strconv.Itoa(try)
			h := s.handler(acme, plain).on(ping, c.inTurn(c.untilCancelled(), fails(errCallback)))
			h.sendNew(ping, id)
			r := s.run(h)
			c.awaitStarted(1, id)
			ended := time.Now()
			r.cancel()
			var late *inbox.DrainError
			err := r.result()
			slow := errors.As(err, &late) && try < tries // a machine that is busy runs the callback's end a second later
			switch first := c.call(id, 1); {
			case slow:
			case err != nil:
				c.brokenf("Run returned an error after its context had ended: %v", err)
			case first.ended.IsZero():
				c.brokenf("Run returned while it ran")
			case first.ended.Sub(ended) < patience-tick:
				c.brokenf("it was cancelled %v after the context had ended, where the DrainTimeout is %v", first.ended.Sub(ended), patience)
			}
			returned := time.Now()
			r = s.run(h)
			dead := c.awaitDead(s, id)[id]
			// Nor has it recorded the end in time.
			slow = slow || try < tries && len(dead.Attempts) > 0 && dead.Attempts[0].Outcome == inbox.Lost
			if !slow {
				c.countedOnceAfterDrain(id, dead)
			}
			took := c.call(id, 2).began.Sub(returned)
			r.stop()
			s.closes()
			switch {
			case slow:
				continue
			case took < c.Lease:
				return
			case try == tries:
				c.brokenf("the next Run ran it after %v, when a lease is %v long", took, c.Lease)
			}
		}
	},
}, {
	name: "CallbackThatSucceedsThoughCancelledIsDone",
	says: "A callback that is cancelled after the DrainTimeout and succeeds all the same has handled its delivery.",
	check: func(c *check) {
		s := c.open(inbox.Policy{DrainTimeout: 50 * time.Millisecond})
		obeys := c.untilCancelled()
		h := s.handler(acme, plain).on(ping, func(ctx context.Context, d *webhook.Delivery) error {
			_ = obeys(ctx, d)
			return nil
		})
		h.sendNew(ping, "a")
		r := s.run(h)
		c.awaitStarted(1, "a")
		r.stop()
		s.run(h)
		c.overtake(h)
		if got := h.outcomes("a"); !slices.Equal(got, []webhook.Outcome{webhook.Handled}) {
			c.brokenf("it was tried with the outcomes %v", got)
		}
	},
}, {
	name: "ShutdownHasOneDeadline",
	says: "Shutdown ends every Run and cancels callbacks when its context ends, whatever the DrainTimeout is. Deliveries are still stored, a new Run is refused, and the next process runs what is left.",
	check: func(c *check) {
		const patience, tries = 200 * time.Millisecond, 10
		for try := 1; ; try++ {
			first, second := "first "+strconv.Itoa(try), "second "+strconv.Itoa(try)
			s := c.open(inbox.Policy{MaxAttempts: 1, DrainTimeout: 2 * c.Patience})
			h := s.handler(acme, plain).on(ping, c.untilCancelled())
			h.sendNew(ping, first)
			r := s.run(h)
			c.awaitStarted(1, first)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			down := make(chan error, 1)
			began := time.Now()
			go func() { down <- s.box.Shutdown(ctx) }()
			c.awaitf(r.isReturned, nil, "Run had not returned")
			err := errors.Join(<-down, r.err)
			cancel()
			var late *inbox.DrainError
			slow := errors.As(err, &late) && try < tries // a machine that is busy runs the callback's end a second later
			switch call := c.call(first, 1); {
			case err != nil && !slow:
				c.brokenf("Shutdown or Run returned %v, where every callback did", err)
			case err == nil && call.ended.Sub(began) < patience-tick:
				c.brokenf("the callback was cancelled after %v, where the context had %v", call.ended.Sub(began), patience)
			}
			h.sendNew(ping, second)
			if err := s.box.Run(context.Background(), h); !errors.Is(err, inbox.ErrShutdown) {
				c.brokenf("Run returned %v rather than ErrShutdown", err)
			}
			s.closes()
			s = c.open(inbox.Policy{MaxAttempts: 1})
			r = s.run(s.handler(acme, plain).on(ping, fails(errCallback)))
			dead := c.awaitDead(s, first, second)
			// Nor has it recorded the end in time.
			slow = slow || try < tries && len(dead[first].Attempts) > 0 && dead[first].Attempts[0].Outcome == inbox.Lost
			if !slow {
				c.countedOnceAfterDrain(first, dead[first])
				return
			}
			r.stop()
			s.closes()
		}
	},
}, {
	name: "HandlerMayBeShutDownFirst",
	says: "When a handler is shut down before the context of Run ends, its deliveries stay as they are: they are not tried over and over, no attempt counts, and the next Run runs them.",
	check: func(c *check) {
		s, g := c.open(inbox.Policy{MaxAttempts: 1}), c.gate()
		h := s.handler(acme, plain).on(ping, g.wait(succeed))
		r := s.run(h)
		h.sendNew(ping, "running")
		c.awaitStarted(1, "running")
		down := make(chan error, 1)
		go func() {
			ctx, cancel := c.patiently()
			defer cancel()
			down <- h.Shutdown(ctx)
		}()
		c.awaitf(func() bool {
			return h.Redeliver(context.Background(), deliveryOf(acme, plain, marker, "probe")).Reason == webhook.ReasonShuttingDown
		}, nil, "the handler was not shutting down")
		waiting := []string{"a", "b", "c"}
		h.sendNew(ping, waiting...)
		time.Sleep(500 * time.Millisecond) // for a Run that goes round and round
		g.open()
		if err := <-down; err != nil {
			c.Fatalf("the handler was not shut down: %v", err)
		}
		r.stop()
		tries := 0
		for _, id := range waiting {
			tries += len(h.outcomes(id))
		}
		if tries > 20*len(waiting) {
			c.brokenf("%d deliveries were tried %d times in half a second", len(waiting), tries)
		}
		c.called(0, "after the handler was shut down", waiting...)
		h = s.handler(acme, plain).on(ping, fails(errCallback))
		s.run(h)
		dead := c.awaitDead(s, waiting...)
		for _, id := range waiting {
			c.countedOnce(id, dead[id])
		}
		c.called(1, "after the next Run", "running")
	},
}}

// untilCancelled returns a callback that runs until it is told to return.
func (c *check) untilCancelled() callback {
	end := c.gate()
	return func(ctx context.Context, _ *webhook.Delivery) error {
		select {
		case <-ctx.Done():
		case <-end.passed:
		}
		return ctx.Err()
	}
}

// countedOnceAfterDrain checks the attempts of a delivery that was cancelled once and then failed.
func (c *check) countedOnceAfterDrain(id string, e inbox.Entry) {
	c.Helper()
	if c.calls.count(id) != 2 {
		c.brokenf("it became a dead letter after %d calls, with the attempts %+v", c.calls.count(id), e.Attempts)
	}
	c.history(e, attempt{webhook.Failed, false, context.Canceled.Error()}, attempt{webhook.Failed, true, errCallback.Error()})
}

// shutdown shuts a handler down, as is done before the context of Run ends.
func (c *check) shutdown(h *hook) {
	c.Helper()
	ctx, cancel := c.patiently()
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		c.Fatalf("the handler was not shut down: %v", err)
	}
}
