package idempotencytest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// rules is the suite. The author of a failing store reads the sentences.
var rules = slices.Concat(claimRules, confusionRules, retentionRules, renewalRules)

// claimRules are the rules about remembered keys.
var claimRules = []rule{{
	name: "FirstClaimIsAttemptOne",
	says: "The first claim of a key is acquired, as attempt 1.",
	check: func(c *check) {
		if _, n := c.attempt("key", long, "in an empty store"); n != 1 {
			c.broken("the first claim was attempt %d", n)
		}
	},
}, {
	name: "OneOfManyConcurrentClaimsIsAcquired",
	says: "If several callers claim a free key at once, exactly one claim is acquired.",
	check: func(c *check) {
		for _, key := range []string{"a", "b", "c", "d"} {
			c.raceFor(key, "of a new key")
		}
	},
}, {
	name: "OneOfManyConcurrentClaimsOfAReleasedKeyIsAcquired",
	says: "If several callers claim a released key at once, exactly one claim is acquired.",
	check: func(c *check) {
		for _, key := range []string{"a", "b", "c", "d"} {
			c.release(key, c.acquire(key, long, "when it is new"), "while its token holds it")
			c.raceFor(key, "of a released key")
		}
	},
}, {
	name: "OneOfManyConcurrentClaimsAfterALeaseHasEndedIsAcquired",
	says: "If several callers claim a key at once whose lease has ended, exactly one claim is acquired.",
	check: func(c *check) {
		keys := []string{"a", "b", "c", "d"}
		for _, key := range keys {
			c.acquire(key, c.Lease, "when it is new")
		}
		c.Wait(c.Lease + c.Slack)
		for _, key := range keys {
			c.raceFor(key, "of a key whose lease has ended")
		}
	},
}, {
	name: "KeyInFlightCannotBeClaimed",
	says: "A claim of a key in flight returns in flight, also to its holder.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.is("key", idempotency.InFlight, "while its lease runs")
		if got := c.claim("key", token, long); got.State != idempotency.InFlight {
			c.broken("its holder's second claim returned %q", got.State)
		}
		c.complete("key", token, "after claims that acquired nothing")
	},
}, {
	name: "InFlightReportsTheRemainingLease",
	says: "A claim that returns in flight reports the remaining time of the holder's lease.",
	check: func(c *check) {
		c.acquire("key", long, "when it is new")
		c.Wait(c.Lease)
		switch got := c.claim("key", idempotency.NewToken(), 2*long); {
		case got.State != idempotency.InFlight:
			c.broken("it returned %q", got.State)
		case got.Remaining > long-c.Lease+c.Slack || got.Remaining < long/2:
			c.broken("%v of a lease of %v were reported as remaining, %v after the claim", got.Remaining, long, c.Lease)
		}
	},
}, {
	name: "LeaseIsKeptToItsEnd",
	says: "A key stays in flight until its lease ends.",
	check: func(c *check) {
		c.within(c.Lease, idempotency.InFlight, "before the lease had ended", func(key string) time.Time {
			from := time.Now()
			c.acquire(key, c.Lease, "when it is new")
			return from
		})
	},
}, {
	name: "LeaseEnds",
	says: "After a lease has ended, the next claim acquires the key.",
	check: func(c *check) {
		c.acquire("key", c.Lease, "when it is new")
		c.Wait(c.Lease + c.Slack)
		c.acquire("key", long, "after its lease had ended")
		c.is("key", idempotency.InFlight, "after it was taken again under a new lease")
	},
}, {
	name: "AttemptsCountUpWhenALeaseHasEnded",
	says: "The attempt count rises by one each time a key is claimed again after its lease has ended.",
	check: func(c *check) {
		_, before := c.attempt("key", c.Lease, "when it is new")
		for range 2 {
			c.Wait(c.Lease + c.Slack)
			got := c.claim("key", idempotency.NewToken(), c.Lease)
			if got.State == idempotency.Acquired && got.Attempt != before+1 {
				c.broken("attempt %d was followed by attempt %d", before, got.Attempt)
			}
			before++
		}
	},
}, {
	name: "StaleTokenCannotComplete",
	says: "A token whose key was taken by another claim cannot complete it: the error is ErrLeaseLost.",
	check: func(c *check) {
		stale, fresh, ok := c.retaken("key")
		if !ok {
			return
		}
		c.refused("key", stale, "after another claim took the key")
		c.complete("key", fresh, "with the token that holds the key")
		c.refused("key", stale, "after another claim completed the key")
	},
}, {
	name: "StaleTokenCannotRelease",
	says: "Releasing a key that another claim has taken does nothing and returns no error.",
	check: func(c *check) {
		stale, fresh, ok := c.retaken("key")
		if !ok {
			return
		}
		c.release("key", stale, "after another claim took the key")
		c.is("key", idempotency.InFlight, "after a release that should do nothing")
		c.complete("key", fresh, "after a release that should do nothing")
	},
}, {
	name: "CompleteSucceedsAfterTheLeaseUntilRetaken",
	says: "A token can complete its key after the lease has ended, unless another claim has taken the key.",
	check: func(c *check) {
		token := c.acquire("key", c.Lease, "when it is new")
		c.Wait(c.Lease + c.Slack)
		c.complete("key", token, "after the lease had ended, without another claim")
		c.is("key", idempotency.Completed, "after it was completed")
	},
}, {
	name: "CompleteTwiceIsNoError",
	says: "Completing may be repeated with the same token.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "the first time")
		c.complete("key", token, "the second time")
		c.is("key", idempotency.Completed, "after it was completed twice")
	},
}, {
	name: "CompleteOfAnUnknownKeyIsLeaseLost",
	says: "Completing an unknown key returns ErrLeaseLost, and does not create the key.",
	check: func(c *check) {
		c.refused("key", idempotency.NewToken(), "in an empty store")
		c.refused("key", idempotency.Token{}, "in an empty store, with the zero token")
		if _, n := c.attempt("key", long, "after a refused completion"); n > 1 {
			c.broken("the first claim after that was attempt %d", n)
		}
	},
}, {
	name: "CompleteAfterReleaseIsLeaseLost",
	says: "A token that was released cannot complete the key: the error is ErrLeaseLost.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.release("key", token, "while its token holds it")
		c.refused("key", token, "after the key was released")
		c.refused("key", idempotency.Token{}, "after the key was released, with the zero token")
	},
}, {
	name: "ReleasedKeyIsFreeAtOnce",
	says: "A key that was released can be claimed at once.",
	check: func(c *check) {
		c.release("key", c.acquire("key", long, "when it is new"), "while its token holds it")
		token := c.acquire("key", long, "right after it was released")
		c.complete("key", token, "with the token that holds the key")
	},
}, {
	name: "ReleaseKeepsTheAttemptCount",
	says: "A release keeps the attempt count, so the next claim continues it.",
	check: func(c *check) {
		token, before := c.attempt("key", long, "when it is new")
		for range 2 {
			c.release("key", token, "while its token holds it")
			token = idempotency.NewToken()
			got := c.claim("key", token, long)
			if got.State == idempotency.Acquired && got.Attempt != before+1 {
				c.broken("attempt %d was followed by attempt %d", before, got.Attempt)
			}
			before++
		}
	},
}, {
	name: "ReleaseDoesNotUndoACompletion",
	says: "A completed key stays completed when it is released with any token.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		c.release("key", token, "with the token that completed it")
		c.is("key", idempotency.Completed, "after its own token released it")
		c.release("key", idempotency.NewToken(), "with another token")
		c.is("key", idempotency.Completed, "after another token released it")
	},
}, {
	name: "ReleaseOfAKeyThatIsNotHeldIsNoError",
	says: "Releasing an unknown key, with an unknown token, or twice, does nothing and returns no error.",
	check: func(c *check) {
		c.release("key", idempotency.NewToken(), "in an empty store")
		c.release("key", idempotency.Token{}, "in an empty store, with the zero token")
		token, n := c.attempt("key", long, "after a release that should do nothing")
		if n > 1 {
			c.broken("the first claim after that was attempt %d", n)
		}
		c.release("key", idempotency.NewToken(), "with a token that never held it")
		c.is("key", idempotency.InFlight, "after a release that should do nothing")
		c.release("key", token, "while its token holds it")
		c.release("key", token, "the second time")
	},
}, {
	name: "KeysDoNotInfluenceOneAnother",
	says: "Keys are distinguished byte by byte. They may have any characters except NUL, and up to 500 bytes.",
	check: func(c *check) {
		long500 := strings.Repeat("x", 499)
		keys := []string{
			"key", "Key", " key", "key ", "key/", "key%", "k_y", "key*", "key'", `key"`, `key\`, "key\n", "key\r\n", "key;--", "{key}",
			"é", "e\u0301", "ключ", "鍵", "🔑", "\x01", "\x7f", "\t", "0", "00", "0x0", long500 + "1", long500 + "2", long500,
		}
		tokens := make([]idempotency.Token, len(keys))
		for i, key := range keys {
			tokens[i] = c.acquire(key, long, "while only others are known")
		}
		for i, key := range keys {
			if i%2 == 0 {
				c.complete(key, tokens[i], "while others are in flight")
			}
		}
		for i, key := range keys {
			if i%2 == 0 {
				c.is(key, idempotency.Completed, "after it was completed")
			} else {
				c.is(key, idempotency.InFlight, "after others were completed")
			}
		}
	},
}, {
	name: "LeaseIsLongerThanZero",
	says: "A claim with a lease of zero or less returns an error and changes nothing.",
	check: func(c *check) {
		for _, lease := range []time.Duration{0, -1, -long} {
			if got, err := c.store.Claim(c.ctx, "key", idempotency.NewToken(), lease); err == nil {
				c.broken("a claim for %v returned %q", lease, got.State)
			}
		}
		if _, n := c.attempt("key", long, "after claims that should acquire nothing"); n > 1 {
			c.broken("the first claim after that was attempt %d", n)
		}
	},
}, {
	name: "EndedContextChangesNothing",
	says: "With a context that has ended, every method returns an error and changes nothing.",
	check: func(c *check) {
		ended, cancel := context.WithCancel(c.ctx)
		cancel()
		if got, err := c.store.Claim(ended, "key", idempotency.NewToken(), long); err == nil {
			c.broken("a claim returned %q", got.State)
		}
		token, n := c.attempt("key", long, "after a claim that should acquire nothing")
		if n > 1 {
			c.broken("the first claim after that was attempt %d", n)
		}
		if c.store.Complete(ended, "key", token) == nil {
			c.broken("completing returned no error")
		}
		if c.store.Release(ended, "key", token) == nil {
			c.broken("releasing returned no error")
		}
		c.is("key", idempotency.InFlight, "after calls that should do nothing")
	},
}}

// raceFor claims key from many goroutines at once.
func (c *check) raceFor(key, what string) {
	c.Helper()
	const claims = 16
	results := make([]idempotency.Claim, claims)
	errs := make([]error, claims)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range claims {
		wg.Go(func() {
			<-start
			results[i], errs[i] = c.store.Claim(c.ctx, key, idempotency.NewToken(), long)
		})
	}
	close(start)
	wg.Wait()
	acquired := 0
	for i, got := range results {
		switch {
		case errs[i] != nil:
			c.broken("one of %d concurrent claims %s failed: %v", claims, what, errs[i])
		case got.State == idempotency.Acquired:
			acquired++
		case got.State != idempotency.InFlight:
			c.broken("one of %d concurrent claims %s returned %q", claims, what, got.State)
		}
	}
	if acquired != 1 {
		c.broken("%d of %d concurrent claims %s were acquired", acquired, claims, what)
	}
}

// retaken claims key twice, the second time after the first lease has ended. ok is false if the second claim fails. Another
// rule reports that.
func (c *check) retaken(key string) (stale, fresh idempotency.Token, ok bool) {
	c.Helper()
	stale, fresh = c.acquire(key, c.Lease, "when it is new"), idempotency.NewToken()
	c.Wait(c.Lease + c.Slack)
	return stale, fresh, c.claim(key, fresh, long).State == idempotency.Acquired
}
