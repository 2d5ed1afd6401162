package idempotencytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// renewalRules are the rules of [idempotency.Renewer].
var renewalRules = []rule{{
	name:   "RenewalExtendsTheLease",
	renews: true,
	says:   "A renewal makes the lease end later. A claim then returns in flight and the new remaining time.",
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		c.renew("key", token, long, "while its token holds it")
		c.Wait(c.Lease + c.Slack)
		switch got := c.claim("key", idempotency.NewToken(), 2*long); {
		case got.State != idempotency.InFlight:
			c.broken("after the first lease, a claim returned %q", got.State)
		case got.Remaining > long-c.Lease || got.Remaining < long/2:
			c.broken("%v of a lease of %v were reported as remaining, %v after the renewal", got.Remaining, long, c.Lease+c.Slack)
		}
		c.complete("key", token, "after it was renewed")
	},
}, {
	name:   "RenewedLeaseIsKeptToItsEnd",
	renews: true,
	says:   "A key stays in flight until its renewed lease ends.",
	check: func(c *check) {
		c.within(c.Lease, idempotency.InFlight, "before the renewed lease had ended", func(key string) time.Time {
			token := c.acquire(key, c.Lease/2, "when it is new")
			from := time.Now()
			c.renew(key, token, c.Lease, "while its token holds it")
			return from
		})
	},
}, {
	name:   "RenewedLeaseEnds",
	renews: true,
	says:   "After a renewed lease has ended, the next claim acquires the key.",
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		c.Wait(c.Lease / 2)
		c.renew("key", token, c.Lease, "while its token holds it")
		c.Wait(c.Lease + c.Slack)
		c.acquire("key", long, "after its renewed lease had ended")
	},
}, {
	name:   "RenewalDoesNotShortenTheLease",
	renews: true,
	says:   "A renewal never makes a lease end earlier.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.renew("key", token, c.Lease, "while its token holds it")
		c.Wait(c.Lease + c.Slack)
		c.is("key", idempotency.InFlight, "after a renewal for a shorter time")
	},
}, {
	name:   "RenewalKeepsTheAttemptCount",
	renews: true,
	says:   "A renewal is not an attempt.",
	check: func(c *check) {
		token, before := c.attempt("key", long, "when it is new")
		c.renew("key", token, long, "while its token holds it")
		c.release("key", token, "after it was renewed")
		if got := c.claim("key", idempotency.NewToken(), long); got.State == idempotency.Acquired && got.Attempt != before+1 {
			c.broken("attempt %d was followed by attempt %d", before, got.Attempt)
		}
	},
}, {
	name:   "RenewalSucceedsAfterTheLeaseUntilRetaken",
	renews: true,
	says:   "A token can renew its key after the lease has ended, unless another claim has taken the key.",
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		c.Wait(c.Lease + c.Slack)
		c.renew("key", token, long, "after the lease had ended, without another claim")
		c.is("key", idempotency.InFlight, "after it was renewed")
		c.complete("key", token, "after it was renewed")
	},
}, {
	name:   "StaleTokenCannotRenew",
	renews: true,
	says:   "A token that does not hold the key cannot renew it: the error is ErrLeaseLost.",
	check: func(c *check) {
		stale, fresh := c.acquire("key", c.Lease, "when it is new"), idempotency.NewToken()
		c.cannotRenew("key", idempotency.NewToken(), "with a token that never held it")
		c.cannotRenew("key", idempotency.Token{}, "with the zero token")
		c.Wait(c.Lease + c.Slack)
		if c.claim("key", fresh, c.Lease).State != idempotency.Acquired {
			return // another rule reports this
		}
		c.cannotRenew("key", stale, "after another claim took the key")
		c.Wait(c.Lease + c.Slack)
		token := c.acquire("key", long, "after a renewal that should do nothing and the end of the lease")
		c.complete("key", token, "with the token that holds the key")
		c.cannotRenew("key", fresh, "after another claim completed the key")
		c.is("key", idempotency.Completed, "after renewals that should do nothing")
	},
}, {
	name:   "RenewalOfAnUnknownKeyIsLeaseLost",
	renews: true,
	says:   "Renewing an unknown key returns ErrLeaseLost, and does not create the key.",
	check: func(c *check) {
		c.cannotRenew("key", idempotency.NewToken(), "in an empty store")
		c.cannotRenew("key", idempotency.Token{}, "in an empty store, with the zero token")
		if _, n := c.attempt("key", long, "after a refused renewal"); n > 1 {
			c.broken("the first claim after that was attempt %d", n)
		}
	},
}, {
	name:   "RenewalAfterReleaseIsLeaseLost",
	renews: true,
	says:   "A token that was released cannot renew the key: the error is ErrLeaseLost.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.release("key", token, "while its token holds it")
		c.cannotRenew("key", token, "after the key was released")
		c.cannotRenew("key", idempotency.Token{}, "after the key was released, with the zero token")
		c.acquire("key", long, "after a renewal that should do nothing")
	},
}, {
	name:   "RenewalAfterCompletionIsNoError",
	renews: true,
	says:   "Renewing a key with the token that completed it returns no error, and the key stays completed.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		c.renew("key", token, c.Lease, "after its token completed it")
		c.is("key", idempotency.Completed, "after a renewal that should do nothing")
		c.Wait(c.Lease + c.Slack)
		c.is("key", idempotency.Completed, "after a renewal that should do nothing and the time of its lease")
	},
}, {
	name:   "RenewalAfterCompletionDoesNotExtendTheRetention",
	renews: true,
	says:   "Renewing a completed key does not change when it is forgotten. Its token then gets ErrLeaseLost.",
	expire: true,
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		c.Wait(c.Options.Retention / 2)
		if c.renewer().Renew(c.ctx, "key", token, long) != nil {
			return // another rule reports this
		}
		c.Wait(c.Options.Retention + c.Slack)
		c.cannotRenew("key", token, "after one and a half times the retention")
		c.acquire("key", long, "after one and a half times the retention")
	},
}, {
	name:   "RenewedKeyIsKeptPastTheRetention",
	renews: true,
	says:   "A key is not forgotten before its renewed lease ends, even if the retention is shorter.",
	expire: true,
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		c.renew("key", token, c.Lease+2*c.Options.Retention+long, "while its token holds it")
		c.Wait(c.Lease + c.Options.Retention*3/2 + c.Slack)
		c.is("key", idempotency.InFlight, "after the retention had passed and while the renewed lease ran")
		c.complete("key", token, "while its token holds it")
	},
}, {
	name:   "AbandonedKeyCountsOnAfterARenewal",
	renews: true,
	says:   "A renewed key keeps its attempt count for the retention, counted from the end of the renewed lease.",
	expire: true,
	check: func(c *check) {
		lease := c.Options.Retention / 2
		c.countsOn(c.Options.Retention*3/4, func(key string) (int, time.Time) {
			token, before := c.attempt(key, lease/4, "when it is new")
			from := time.Now().Add(lease)
			c.renew(key, token, lease, "while its token holds it")
			return before, from
		})
	},
}, {
	name:   "RenewalIsLongerThanZero",
	renews: true,
	says:   "A renewal for a time of zero or less returns an error and changes nothing.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		for _, lease := range []time.Duration{0, -1, -long} {
			if err := c.renewer().Renew(c.ctx, "key", token, lease); err == nil || errors.Is(err, idempotency.ErrLeaseLost) {
				c.broken("a renewal for %v returned %v", lease, err)
			}
		}
		c.is("key", idempotency.InFlight, "after renewals that should do nothing")
		c.complete("key", token, "after renewals that should do nothing")
	},
}, {
	name:   "RenewalWithEndedContextChangesNothing",
	renews: true,
	says:   "With a context that has ended, a renewal returns an error and changes nothing.",
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		ended, cancel := context.WithCancel(c.ctx)
		cancel()
		if err := c.renewer().Renew(ended, "key", token, long); err == nil || errors.Is(err, idempotency.ErrLeaseLost) {
			c.broken("it returned %v", err)
		}
		c.Wait(c.Lease + c.Slack)
		c.acquire("key", long, "after a renewal that should do nothing and the end of the lease")
	},
}, {
	name:   "RenewalAndRetakeExcludeOneAnother",
	renews: true,
	says:   "If the holder renews a key after its lease, while another caller claims it, exactly one of the two succeeds.",
	check: func(c *check) {
		tokens := make(map[string]idempotency.Token)
		for i := range 32 {
			key := fmt.Sprint("key ", i)
			tokens[key] = c.acquire(key, c.Lease, "when it is new")
		}
		c.Wait(c.Lease + c.Slack)
		first := false // alternates which of the two starts first
		for key, token := range tokens {
			first = !first
			c.raceRetake("renewal", key, first, func() error { return c.renewer().Renew(c.ctx, key, token, long) })
		}
	},
}}

func (c *check) renewer() idempotency.Renewer { return c.store.(idempotency.Renewer) }

func (c *check) renew(key string, token idempotency.Token, lease time.Duration, when string) {
	c.Helper()
	if err := c.renewer().Renew(c.ctx, key, token, lease); err != nil {
		c.broken("%s, renewing %.40q failed: %v", when, key, err)
	}
}

// cannotRenew checks that token cannot renew key.
func (c *check) cannotRenew(key string, token idempotency.Token, when string) {
	c.Helper()
	if err := c.renewer().Renew(c.ctx, key, token, long); !errors.Is(err, idempotency.ErrLeaseLost) {
		c.broken("%s, renewing %.40q returned %v rather than ErrLeaseLost", when, key, err)
	}
}
