package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// runRules are the rules for keys that the idempotency store knows.
var runRules = []rule{{
	name: "CompletedKeyIsNotRun",
	text: "If the store has the delivery's key as completed, the delivery is done and its callback does not run.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.sendNew(ping, "a")
		c.complete(s, keyOf("a"))
		r := s.run(h)
		c.awaitOutcomes(h, "a", 1)
		c.runMarkers(h)
		r.stop()
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the delivery was found completed")
		if !h.send(ping, "a") {
			c.brokenf("after its key was found completed, the delivery was not reported as a duplicate")
		}
		s.run(h)
		c.runMarkers(h)
		c.called(0, "after its key had been completed", "a")
		if got := h.outcomes("a"); !slices.Equal(got, []webhook.Outcome{webhook.Duplicate}) {
			c.brokenf("its outcomes were %v rather than one duplicate", got)
		}
	},
}, {
	name: "KeyInFlightIsRetriedUncounted",
	text: "If the delivery's key is in flight elsewhere, the delivery is retried after the time that the store returns. Such an attempt does not count.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1, Backoff: func(int) time.Duration { return time.Hour }})
		store := &busyStore{Store: c.storeOf(s.box), key: keyOf("a"), times: 3}
		h := s.handlerWithStore(acme, plain, store).on(ping, fails(errCallback))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		want := []webhook.Outcome{webhook.InFlight, webhook.InFlight, webhook.InFlight, webhook.Failed}
		if got := h.outcomes("a"); !slices.Equal(got, want) {
			c.brokenf("its outcomes were %v", got)
		}
		c.history(e, attempt{webhook.InFlight, false, ""}, attempt{webhook.Failed, true, errCallback.Error()})
	},
}}

// retryRules are the rules of retries.
var retryRules = []rule{{
	name: "FailureIsRetriedAfterBackoff",
	text: "If its callback fails, a delivery is retried after the policy's backoff until the callback succeeds. Its Attempt increases each time.",
	check: func(c *check) {
		const delay = 100 * time.Millisecond
		var mu sync.Mutex
		var asked []int
		s := c.open(inbox.Policy{Backoff: func(n int) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, n)
			return delay
		}})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		c.awaitCalls(4, "a")
		c.runMarkers(h)
		c.called(4, "after the fourth call succeeded", "a")
		c.checkDelay("a", delay, "a backoff")
		for i, one := range c.calls.of("a") {
			if one.delivery.Attempt != i+1 {
				c.brokenf("the Attempt of call %d was %d", i+1, one.delivery.Attempt)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(asked, []int{1, 2, 3}) {
			c.brokenf("Backoff was called with %v rather than 1, 2, 3", asked)
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after the callback succeeded")
	},
}, {
	name: "RetryAfterIsHonored",
	text: "A callback that returns RetryAfter is called again after that time, not earlier, and without the backoff.",
	check: func(c *check) {
		const after = 400 * time.Millisecond
		s := c.open(inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(webhook.RetryAfter(after, errCallback)), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		c.awaitCalls(2, "a")
		c.checkDelay("a", after, "a RetryAfter")
	},
}, {
	name: "RetryAfterMayBeLong",
	text: "RetryAfter is honored for any duration.",
	check: func(c *check) {
		far := map[string]time.Duration{"3 days": 72 * time.Hour, "300 days": 300 * 24 * time.Hour, "never": math.MaxInt64}
		s := c.open(inbox.Policy{})
		serve := func() (*handler, *run) {
			h := s.handler(acme, plain).on(ping, func(_ context.Context, d *webhook.Delivery) error {
				return webhook.RetryAfter(far[d.ID], errCallback)
			})
			return h, s.run(h)
		}
		h, r := serve()
		for id := range far {
			h.sendNew(ping, id)
			c.awaitCalls(1, id)
		}
		c.runMarkers(h)
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h, _ = serve()
		c.runMarkers(h)
		for id := range far {
			c.called(1, "long before it was due", id)
			if !h.send(ping, id) {
				c.brokenf("the delivery with a RetryAfter of %s was lost", id)
			}
		}
		c.onlyDeadLetters(s, inbox.Filter{All: true}, "after a RetryAfter")
	},
}, {
	name: "RetryAfterCounts",
	text: "An attempt that returns RetryAfter counts.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, fails(webhook.RetryAfter(time.Millisecond, errCallback)))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDeadLetters(s, "a")["a"]
		c.called(2, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.Failed, true, errCallback.Error()}, attempt{webhook.Failed, true, errCallback.Error()})
	},
}}

// keyOf returns the key of a ping.
func keyOf(id string) string { return acme + "/" + plain + "/id/" + ping + "/" + id }

// complete completes a key in the store of the case, as another process would.
func (c *check) complete(s *process, key string) {
	c.Helper()
	ctx, cancel := c.callTimeout()
	defer cancel()
	store, token := c.storeOf(s.box), idempotency.NewToken()
	claim, err := store.Claim(ctx, key, token, time.Minute)
	if err == nil && claim.State != idempotency.Acquired {
		err = errors.New(claim.State.String())
	}
	if err == nil {
		err = store.Complete(ctx, key, token)
	}
	if err != nil {
		c.Fatalf("the store of the case did not complete %q: %v", key, err)
	}
}

// tick is how much earlier than requested a delivery may be retried, because clocks have a limited resolution.
const tick = 20 * time.Millisecond

// checkDelay checks that the callback was not called again before the delay had passed.
func (c *check) checkDelay(id string, d time.Duration, what string) {
	c.Helper()
	list := c.calls.of(id)
	for i, one := range list[1:] {
		if got := one.began.Sub(list[i].ended); got < d-tick {
			c.brokenf("call %d began %v after call %d had returned, although there was %s of %v", i+2, got, i+1, what, d)
		}
	}
}

// A busyStore reports a key as in flight for its first claims.
type busyStore struct {
	idempotency.Store
	key string

	mu    sync.Mutex
	times int
}

func (r *busyStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	r.mu.Lock()
	refuse := key == r.key && r.times > 0
	if refuse {
		r.times--
	}
	r.mu.Unlock()
	if refuse {
		return idempotency.Claim{State: idempotency.InFlight, Remaining: 10 * time.Millisecond}, nil
	}
	claim, err := r.Store.Claim(ctx, key, token, lease)
	if err != nil {
		return claim, fmt.Errorf("inboxtest: the store of the case: %w", err)
	}
	return claim, nil
}
