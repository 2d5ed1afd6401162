package idempotencytest

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// retentionRules are the rules about when keys are forgotten.
var retentionRules = []rule{{
	name:   "RetentionIsAtLeastWhatWasAskedFor",
	says:   "Retention returns at least the requested retention.",
	expire: true,
	check: func(c *check) {
		if got := c.store.Retention(); got < c.Options.Retention {
			c.broken("it returned %v, but %v was requested", got, c.Options.Retention)
		}
	},
}, {
	name:   "CompletedKeyIsKeptForItsRetention",
	says:   "A completed key stays completed until its retention has passed.",
	expire: true,
	check: func(c *check) {
		c.within(c.Options.Retention, idempotency.Completed, "before the retention had passed", func(key string) time.Time {
			token := c.acquire(key, long, "when it is new")
			from := time.Now()
			c.complete(key, token, "while its token holds it")
			return from
		})
	},
}, {
	name:   "RetentionIsCountedFromTheCompletion",
	says:   "The retention of a completed key is counted from its completion, not from its claim.",
	expire: true,
	check: func(c *check) {
		pastOneFromTheClaim := c.Options.Retention * 3 / 4
		c.within(pastOneFromTheClaim, idempotency.Completed, "before the retention had passed", func(key string) time.Time {
			token := c.acquire(key, c.Options.Retention, "when it is new")
			c.Wait(c.Options.Retention / 2)
			from := time.Now()
			c.complete(key, token, "while its token holds it")
			return from
		})
	},
}, {
	name:   "CompletedKeyIsForgottenAfterItsRetention",
	says:   "A completed key is free again once one and a half times its retention have passed.",
	expire: true,
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		c.Wait(c.Options.Retention*3/2 + c.Slack)
		c.acquire("key", long, "after that")
	},
}, {
	name:   "AttemptsStartAgainOnceAKeyIsForgotten",
	says:   "The first claim of a key after it was forgotten is attempt 1 again.",
	expire: true,
	check: func(c *check) {
		token, first := c.attempt("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		c.Wait(c.Options.Retention*3/2 + c.Slack)
		if got := c.claim("key", idempotency.NewToken(), long); got.State == idempotency.Acquired && got.Attempt != first {
			c.broken("it was attempt %d", got.Attempt)
		}
	},
}, {
	name:   "KeyInFlightIsKeptPastTheRetention",
	says:   "A key in flight is not forgotten before its lease ends, even if the retention is shorter.",
	expire: true,
	check: func(c *check) {
		token := c.acquire("key", 2*c.Options.Retention+long, "when it is new")
		c.Wait(c.Options.Retention*3/2 + c.Slack)
		c.is("key", idempotency.InFlight, "after the retention had passed and while the lease ran")
		c.complete("key", token, "while its token holds it")
	},
}, {
	name:   "ReleasedKeyCountsOnForItsRetention",
	says:   "A released key keeps its attempt count for the retention, counted from its release.",
	expire: true,
	check: func(c *check) {
		c.countsOn(c.Options.Retention*3/4, func(key string) (int, time.Time) {
			token, before := c.attempt(key, long, "when it is new")
			c.Wait(c.Options.Retention / 2)
			from := time.Now()
			c.release(key, token, "while its token holds it")
			return before, from
		})
	},
}, {
	name:   "AbandonedKeyCountsOnForItsRetention",
	says:   "A key that was neither completed nor released keeps its attempt count for the retention, counted from the end of its lease.",
	expire: true,
	check: func(c *check) {
		lease := c.Options.Retention / 2
		c.countsOn(c.Options.Retention*3/4, func(key string) (int, time.Time) {
			from := time.Now().Add(lease)
			_, before := c.attempt(key, lease, "when it is new")
			return before, from
		})
	},
}, {
	name:   "KeyThatIsNotInFlightIsForgotten",
	says:   "A key that was released, or whose lease has ended, is forgotten after one and a half times its retention. It then counts from 1.",
	expire: true,
	check: func(c *check) {
		abandoned := c.claim("abandoned", idempotency.NewToken(), c.Lease).Attempt
		token, released := c.attempt("released", long, "when it is new")
		c.Wait(c.Lease)
		c.release("released", token, "while its token holds it")
		c.Wait(c.Options.Retention*3/2 + c.Slack)
		for key, first := range map[string]int{"released": released, "abandoned": abandoned} {
			if got := c.claim(key, idempotency.NewToken(), long); got.State == idempotency.Acquired && got.Attempt != first {
				c.broken("%s, it was attempt %d", key, got.Attempt)
			}
		}
	},
}}

// countsOn claims a prepared key when d has passed since from, and expects the attempt before+1. If the claim returns too
// late, countsOn tries another key.
func (c *check) countsOn(d time.Duration, prepare func(key string) (before int, from time.Time)) {
	c.Helper()
	for try := range tries {
		key := fmt.Sprint("key ", try)
		before, from := prepare(key)
		c.Wait(d - time.Since(from))
		got := c.claim(key, idempotency.NewToken(), long)
		took := time.Since(from)
		if got.State != idempotency.Acquired || got.Attempt == before+1 {
			return // correct, or reported by another rule
		}
		if took < c.Options.Retention {
			c.broken("after %v, attempt %d was followed by attempt %d", took, before, got.Attempt)
		}
	}
	c.tooSlow(c.Options.Retention - d)
}
