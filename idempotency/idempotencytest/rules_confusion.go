package idempotencytest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aihooks/aihooks-go/idempotency"
)

// confusionRules are the rules about keys, or holders of a key, that a store must not confuse.
var confusionRules = []rule{{
	name: "KeyThatCannotBeKeptIsRefused",
	says: "A key that the store cannot store unchanged is refused with an error. It is never confused with another key.",
	check: func(c *check) {
		huge := strings.Repeat("x", 5000)
		keys := []string{"", "a", "a\x00", "a\x00b", "a\x00c", "\xff", "\xfe", "\ufffd", "a\xff", "a\ufffd", huge, huge + "1", huge + "2"}
		for _, key := range keys {
			token := idempotency.NewToken()
			got, err := c.store.Claim(c.ctx, key, token, long)
			if err != nil {
				continue
			}
			if got.State != idempotency.Acquired {
				c.broken("a claim of %.40q, which is new, returned %q", key, got.State)
			}
			c.complete(key, token, "while its token holds it")
		}
	},
}, {
	name: "CompletionAndRetakeExcludeOneAnother",
	says: "If the holder completes a key after its lease, while another caller claims it, exactly one of the two succeeds.",
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
			c.raceRetake("completion", key, first, func() error { return c.store.Complete(c.ctx, key, token) })
		}
	},
}, {
	name: "CompletedComparesTags",
	says: "A claim of a completed key reports OtherTag if and only if the completing token has another tag.",
	check: func(c *check) {
		token := c.acquire("key", long, "when it is new")
		c.complete("key", token, "while its token holds it")
		got := c.claim("key", idempotency.NewToken().WithTag(token.Tag()), long)
		if got.State != idempotency.Completed || got.OtherTag {
			c.broken("a claim with the tag of the token that completed the key returned %q, OtherTag %t", got.State, got.OtherTag)
		}
		got = c.claim("key", idempotency.NewToken().WithTag(^token.Tag()), long)
		if got.State != idempotency.Completed || !got.OtherTag {
			c.broken("a claim with another tag than the token that completed the key returned %q, OtherTag %t", got.State, got.OtherTag)
		}
	},
}, {
	name:   "TokenOfAForgottenCompletionIsStale",
	says:   "After a completed key was forgotten and claimed again, the token that had completed it gets ErrLeaseLost.",
	expire: true,
	check: func(c *check) {
		stale, fresh := c.acquire("key", long, "when it is new"), idempotency.NewToken()
		c.complete("key", stale, "while its token holds it")
		c.Wait(c.Options.Retention*3/2 + c.Slack)
		if c.claim("key", fresh, long).State != idempotency.Acquired {
			return // another rule reports this
		}
		c.refused("key", stale, "after the key was forgotten and taken again")
		c.complete("key", fresh, "with the token that holds the key")
	},
}}

// raceRetake calls f, which needs a key whose lease has ended, and claims the key at the same time. Exactly one may succeed.
func (c *check) raceRetake(what, key string, first bool, f func() error) {
	c.Helper()
	var done, claimed error
	var got idempotency.Claim
	race := []func(){
		func() { done = f() },
		func() { got, claimed = c.store.Claim(c.ctx, key, idempotency.NewToken(), long) },
	}
	if !first {
		race[0], race[1] = race[1], race[0]
	}
	var wg sync.WaitGroup
	wg.Go(race[0])
	race[1]()
	wg.Wait()
	switch {
	case claimed != nil:
		c.broken("the claim failed: %v", claimed)
	case done != nil && !errors.Is(done, idempotency.ErrLeaseLost):
		c.broken("the %s failed: %v", what, done)
	case done == nil && got.State == idempotency.Acquired:
		c.broken("both did")
	case done != nil && got.State != idempotency.Acquired:
		c.broken("neither did: the claim returned %q", got.State)
	}
}
