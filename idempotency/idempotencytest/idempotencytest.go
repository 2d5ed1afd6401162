// Package idempotencytest states the rules of [idempotency.Store] as tests, for every store there is or will be.
package idempotencytest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// Options say how [Run] gets at a store and how patient it has to be with it.
type Options struct {
	// New returns a fresh, empty store that remembers completed keys for retention. It is called once for each case,
	// and cleans up behind itself with t.Cleanup. Required.
	New func(t testing.TB, retention time.Duration) idempotency.Store

	// Retention is the retention of the stores in those cases that wait for it to pass. They wait for up to one and
	// a half times as long.
	//
	// Defaults to 2 seconds, which suits a store that runs in real time.
	Retention time.Duration

	// Lease is how long a lease is in those cases that wait for its end. Must be less than a minute.
	//
	// Defaults to 300 milliseconds.
	Lease time.Duration

	// Slack is how much later than on time a store may let a lease or a key go, and how shortly before that time the
	// cases look whether it has kept it. Must be less than Lease and Retention.
	//
	// Defaults to 100 milliseconds.
	Slack time.Duration

	// Wait lets d pass by the store's clock.
	//
	// Defaults to [time.Sleep], which is right in real time and in a bubble of testing/synctest.
	Wait func(d time.Duration)

	// Around runs one case, f, within something: a store that reads the process's clock passes [synctest.Test], and
	// the suite takes no time.
	//
	// Defaults to calling f.
	//
	// [synctest.Test]: https://pkg.go.dev/testing/synctest#Test
	Around func(t *testing.T, f func(t *testing.T))
}

// Run tests the store that o.New makes against every rule of [idempotency.Store], each in a subtest. A failure says which
// rule was broken, and how. A subtest that had to look at the store within a bound, and was too slow each of ten times,
// fails and says so: raise Slack, Lease and Retention.
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
		return o, errors.New("idempotencytest: Options.New is required")
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
	says   string // the rule in a sentence, which every failure repeats
	expire bool   // the case waits for the retention to pass; the others get one that does not
	check  func(c *check)
}

// test takes a testing.TB rather than a *testing.T so that the suite's own tests can look on while it fails.
func (r rule) test(t testing.TB, o Options) {
	retention := time.Hour + 2*o.Retention
	if r.expire {
		retention = o.Retention
	}
	r.check(&check{TB: t, Options: o, rule: r, store: o.New(t, retention), ctx: context.Background()})
}

// A check is one rule being put to one store.
type check struct {
	testing.TB
	Options
	rule  rule
	store idempotency.Store
	ctx   context.Context
}

// tries is how often a case looks at the store again that has looked too late to tell.
const tries = 10

// tooSlow fails the case: a skipped one would pass for a rule that was checked.
func (c *check) tooSlow(bound time.Duration) {
	c.Helper()
	c.Fatalf("The machine is too slow to look within %v. Raise Options.Slack, Lease and Retention.", bound)
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

// acquire claims key, which must be free, and returns the token that holds it now.
func (c *check) acquire(key string, lease time.Duration, when string) idempotency.Token {
	c.Helper()
	token, _ := c.attempt(key, lease, when)
	return token
}

// attempt is acquire for cases that are about the attempt count.
func (c *check) attempt(key string, lease time.Duration, when string) (idempotency.Token, int) {
	c.Helper()
	token := idempotency.NewToken()
	got := c.claim(key, token, lease)
	if got.State != idempotency.Acquired {
		c.broken("%s, a claim of %.40q was answered %q", when, key, got.State)
	}
	return token, got.Attempt
}

// is claims key, which must be in the given state, other than free.
func (c *check) is(key string, want idempotency.State, when string) {
	c.Helper()
	if got := c.claim(key, idempotency.NewToken(), long); got.State != want {
		c.broken("%s, a claim of %.40q was answered %q", when, key, got.State)
	}
}

func (c *check) complete(key string, token idempotency.Token, when string) {
	c.Helper()
	if err := c.store.Complete(c.ctx, key, token); err != nil {
		c.broken("%s, completing %.40q failed: %v", when, key, err)
	}
}

// refused completes key with a token that must not be able to.
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

// within tells whether a claim made just before d has passed since from finds key in the state want. A claim that came
// back too late tells nothing: then another key is tried.
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
			c.broken("after %v, %s, a claim was answered %q", took, when, got.State)
		}
	}
	c.tooSlow(c.Slack)
}
