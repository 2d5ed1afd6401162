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

// runRules are those of who is called back, by the store's leave.
var runRules = []rule{{
	name: "CompletedKeyIsNotRun",
	says: "A delivery whose key has been completed in the store is done; its callback is not run.",
	check: func(c *check) {
		s := c.open(inbox.Policy{})
		h := s.handler(acme, plain).on(ping, succeed)
		h.sendNew(ping, "a")
		c.complete(s, keyOf("a"))
		r := s.run(h)
		c.awaitOutcomes(h, "a", 1)
		c.overtake(h)
		r.stop()
		c.onlyDead(s, inbox.Filter{All: true}, "after the delivery was found completed")
		if !h.send(ping, "a") {
			c.brokenf("after it was found completed, it was not taken for a duplicate")
		}
		s.run(h)
		c.overtake(h)
		c.called(0, "after its key had been completed", "a")
		if got := h.outcomes("a"); !slices.Equal(got, []webhook.Outcome{webhook.Duplicate}) {
			c.brokenf("it was tried more than once: %v", got)
		}
	},
}, {
	name: "KeyInFlightIsTriedAgainAndDoesNotCount",
	says: "A delivery whose key is in flight elsewhere is tried again, as soon as the store has said, and such a try counts as no attempt.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 1, Backoff: func(int) time.Duration { return time.Hour }})
		store := &refusing{Store: c.storeOf(s.box), key: keyOf("a"), times: 3}
		h := s.guarded(acme, plain, store).on(ping, fails(errCallback))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		want := []webhook.Outcome{webhook.InFlight, webhook.InFlight, webhook.InFlight, webhook.Failed}
		if got := h.outcomes("a"); !slices.Equal(got, want) {
			c.brokenf("it was tried with the outcomes %v", got)
		}
		c.history(e, attempt{webhook.InFlight, false, ""}, attempt{webhook.Failed, true, errCallback.Error()})
	},
}}

// againRules are those of what is tried again.
var againRules = []rule{{
	name: "FailureIsTriedAgainAfterTheBackoff",
	says: "A delivery whose callback fails is tried again after the policy's backoff, until the callback succeeds, and each time its Attempt counts up.",
	check: func(c *check) {
		const rest = 100 * time.Millisecond
		var mu sync.Mutex
		var asked []int
		s := c.open(inbox.Policy{Backoff: func(n int) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, n)
			return rest
		}})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(errCallback), fails(errCallback), fails(errCallback), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		c.awaitCalls(4, "a")
		c.overtake(h)
		c.called(4, "after the fourth call succeeded", "a")
		c.rested("a", rest, "a backoff")
		for i, one := range c.calls.of("a") {
			if one.delivery.Attempt != i+1 {
				c.brokenf("the Attempt of call %d was %d", i+1, one.delivery.Attempt)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(asked, []int{1, 2, 3}) {
			c.brokenf("the backoff was asked for the failures %v rather than 1, 2, 3", asked)
		}
		c.onlyDead(s, inbox.Filter{All: true}, "after the callback succeeded")
	},
}, {
	name: "RetryAfterIsHonoured",
	says: "A callback that returns RetryAfter is called again after that time, not earlier, whatever the backoff says.",
	check: func(c *check) {
		const after = 400 * time.Millisecond
		s := c.open(inbox.Policy{Backoff: func(int) time.Duration { return time.Hour }})
		h := s.handler(acme, plain).on(ping, c.inTurn(fails(webhook.RetryAfter(after, errCallback)), succeed))
		h.sendNew(ping, "a")
		s.run(h)
		c.awaitCalls(2, "a")
		c.rested("a", after, "a RetryAfter")
	},
}, {
	name: "RetryAfterMayBeFarAway",
	says: "RetryAfter is honoured however long it is.",
	check: func(c *check) {
		far := map[string]time.Duration{"3 days": 72 * time.Hour, "300 days": 300 * 24 * time.Hour, "never": math.MaxInt64}
		s := c.open(inbox.Policy{})
		serve := func() (*hook, *run) {
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
		c.overtake(h)
		r.stop()
		s.closes()
		s = c.open(inbox.Policy{})
		h, _ = serve()
		c.overtake(h)
		for id := range far {
			c.called(1, "long before it was due", id)
			if !h.send(ping, id) {
				c.brokenf("the delivery to be tried after %s was lost", id)
			}
		}
		c.onlyDead(s, inbox.Filter{All: true}, "after a RetryAfter")
	},
}, {
	name: "RetryAfterCounts",
	says: "A callback that returns RetryAfter has used up an attempt.",
	check: func(c *check) {
		s := c.open(inbox.Policy{MaxAttempts: 2})
		h := s.handler(acme, plain).on(ping, fails(webhook.RetryAfter(time.Millisecond, errCallback)))
		h.sendNew(ping, "a")
		s.run(h)
		e := c.awaitDead(s, "a")["a"]
		c.called(2, "after it became a dead letter", "a")
		c.history(e, attempt{webhook.Failed, true, errCallback.Error()}, attempt{webhook.Failed, true, errCallback.Error()})
	},
}}

// keyOf returns the key of a ping.
func keyOf(id string) string { return acme + "/" + plain + "/id/" + ping + "/" + id }

// complete completes a key in the store of the case, as somebody else who has handled the delivery.
func (c *check) complete(s *site, key string) {
	c.Helper()
	ctx, cancel := c.patiently()
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

// tick is how much earlier than asked for a delivery may be tried again: clocks have their steps.
const tick = 20 * time.Millisecond

// rested checks that the callback was not called again before it had rested.
func (c *check) rested(id string, d time.Duration, what string) {
	c.Helper()
	list := c.calls.of(id)
	for i, one := range list[1:] {
		if got := one.began.Sub(list[i].ended); got < d-tick {
			c.brokenf("call %d came %v after call %d had returned, which was to be followed by %s of %v", i+2, got, i+1, what, d)
		}
	}
}

// A refusing store is one where somebody else holds a key, for the first claims of it.
type refusing struct {
	idempotency.Store
	key string

	mu    sync.Mutex
	times int
}

func (r *refusing) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
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
