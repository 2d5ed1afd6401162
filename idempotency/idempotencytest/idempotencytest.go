// Package idempotencytest tests a store against the rules of [idempotency.Store].
package idempotencytest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// Options tell [Run] how to make a store, and how much time to allow it.
type Options struct {
	// New returns a new, empty store that remembers completed keys for retention. It is called once for each case. It
	// must clean up with t.Cleanup. Required.
	New func(t testing.TB, retention time.Duration) idempotency.Store

	// Retention is the retention of the stores in cases that wait for it to pass. They wait for up to one and a half
	// times Retention.
	//
	// Defaults to 2 seconds, for a store in real time.
	Retention time.Duration

	// Lease is the lease in cases that wait for its end. It must be less than a minute.
	//
	// Defaults to 300 milliseconds.
	Lease time.Duration

	// Slack is how late a store may end a lease or forget a key. It is also how long before that time the cases check
	// that the store still has it. It must be less than Lease and Retention.
	//
	// Defaults to 100 milliseconds.
	Slack time.Duration

	// Wait waits until d has passed by the store's clock.
	//
	// Defaults to [time.Sleep], for real time and for a bubble of testing/synctest.
	Wait func(d time.Duration)

	// Around runs one case, f. For a store that uses the process's clock, set it to [synctest.Test], so that the suite
	// takes no time.
	//
	// Defaults to calling f.
	//
	// [synctest.Test]: https://pkg.go.dev/testing/synctest#Test
	Around func(t *testing.T, f func(t *testing.T))
}

// Run tests the stores of o.New against every rule of [idempotency.Store], each in a subtest. If the stores are not
// [idempotency.Renewer]s, it skips the rules of renewals. A failure reports which rule was broken, and how.
//
// Some subtests must check the store within Slack. If a subtest is too slow ten times, it fails and reports that. Then
// raise Slack, Lease and Retention.
func Run(t *testing.T, o Options) {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			o.Around(t, func(t *testing.T) { r.test(t, o) })
		})
	}
}

func (o Options) withDefaults() (Options, error) {
	if o.New == nil {
		return o, errors.New("idempotencytest: Options.New must be set")
	}
	if o.Retention == 0 {
		o.Retention = 2 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 300 * time.Millisecond
	}
	if o.Slack == 0 {
		o.Slack = 100 * time.Millisecond
	}
	if o.Slack < 0 || o.Slack >= o.Lease || o.Slack >= o.Retention {
		return o, errors.New("idempotencytest: Options.Slack must be less than Lease and Retention, and not negative")
	}
	if o.Lease >= time.Minute {
		return o, errors.New("idempotencytest: Options.Lease must be less than a minute")
	}
	if o.Wait == nil {
		o.Wait = time.Sleep
	}
	if o.Around == nil {
		o.Around = func(t *testing.T, f func(t *testing.T)) { f(t) }
	}
	return o, nil
}

// A rule is one case of the suite.
type rule struct {
	name   string
	says   string // the rule in one sentence, which every failure includes
	expire bool   // the case waits for the retention to pass
	renews bool   // the case is for a Renewer only
	check  func(c *check)
}

// test takes a testing.TB, not a *testing.T, so that the suite's own tests can record a failure.
func (r rule) test(t testing.TB, o Options) {
	retention := time.Hour + 2*o.Retention
	if r.expire {
		retention = o.Retention
	}
	c := &check{TB: t, Options: o, rule: r, store: o.New(t, retention), ctx: context.Background()}
	if _, ok := c.store.(idempotency.Renewer); r.renews && !ok {
		t.Skip("The store is not an idempotency.Renewer.")
	}
	r.check(c)
}

// A check tests one store against one rule.
type check struct {
	testing.TB
	Options
	rule  rule
	store idempotency.Store
	ctx   context.Context
}

// tries is how often a case tries to check the store in time.
const tries = 10

// tooSlow fails the case. A skipped case would look like a tested rule.
func (c *check) tooSlow(bound time.Duration) {
	c.Helper()
	c.Fatalf("The machine is too slow to check within %v. Raise Options.Slack, Lease and Retention.", bound)
}

// long is a lease that does not end while a case runs.
const long = 10 * time.Minute

func (c *check) broken(format string, args ...any) {
	c.Helper()
	c.Fatalf("The store breaks a rule. %s\nBut %s.", c.rule.says, fmt.Sprintf(format, args...))
}

func (c *check) claim(key string, token idempotency.Token, lease time.Duration) idempotency.Claim {
	c.Helper()
	claim, err := c.store.Claim(c.ctx, key, token, lease)
	if err != nil {
		c.broken("claiming %.40q failed: %v", key, err)
	}
	return claim
}

// acquire claims key, which must be free, and returns the token of the claim.
func (c *check) acquire(key string, lease time.Duration, when string) idempotency.Token {
	c.Helper()
	token, _ := c.attempt(key, lease, when)
	return token
}

// attempt claims key, which must be free, and returns the token and the attempt.
func (c *check) attempt(key string, lease time.Duration, when string) (idempotency.Token, int) {
	c.Helper()
	token := idempotency.NewToken()
	got := c.claim(key, token, lease)
	if got.State != idempotency.Acquired {
		c.broken("%s, a claim of %.40q returned %q", when, key, got.State)
	}
	return token, got.Attempt
}

// is checks by a claim that key is in the given state, which must not be free.
func (c *check) is(key string, want idempotency.State, when string) {
	c.Helper()
	if got := c.claim(key, idempotency.NewToken(), long); got.State != want {
		c.broken("%s, a claim of %.40q returned %q", when, key, got.State)
	}
}

func (c *check) complete(key string, token idempotency.Token, when string) {
	c.Helper()
	if err := c.store.Complete(c.ctx, key, token); err != nil {
		c.broken("%s, completing %.40q failed: %v", when, key, err)
	}
}

// refused checks that token cannot complete key.
func (c *check) refused(key string, token idempotency.Token, when string) {
	c.Helper()
	if err := c.store.Complete(c.ctx, key, token); !errors.Is(err, idempotency.ErrLeaseLost) {
		c.broken("%s, completing %.40q returned %v rather than ErrLeaseLost", when, key, err)
	}
}

func (c *check) release(key string, token idempotency.Token, when string) {
	c.Helper()
	if err := c.store.Release(c.ctx, key, token); err != nil {
		c.broken("%s, releasing %.40q failed: %v", when, key, err)
	}
}

// within checks that key is in the state want shortly before d has passed since from. If the claim returns too late, within
// tries another key.
func (c *check) within(d time.Duration, want idempotency.State, when string, prepare func(key string) (from time.Time)) {
	c.Helper()
	for try := range tries {
		key := fmt.Sprint("key ", try)
		from := prepare(key)
		c.Wait(max(0, d-c.Slack-time.Since(from)))
		got := c.claim(key, idempotency.NewToken(), long)
		took := time.Since(from)
		if got.State == want {
			return
		}
		if took < d {
			c.broken("after %v, %s, a claim returned %q", took, when, got.State)
		}
	}
	c.tooSlow(c.Slack)
}
