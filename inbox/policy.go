package inbox

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
)

// The defaults of [Policy].
const (
	DefaultMaxAttempts  = 25
	DefaultConcurrency  = 64
	DefaultDrainTimeout = 25 * time.Second
)

// A Policy says how stored deliveries are run. All engines take one, and mean the same by it. The zero value of each
// field stands for its default.
type Policy struct {
	// MaxAttempts is how often a callback may fail before its delivery becomes a dead letter. What the callback could
	// not help, as a store that is away, does not count. A process that dies while the callback runs counts only if it
	// died before with the same delivery: see the package documentation, under Crashes.
	// Defaults to [DefaultMaxAttempts]: with the default backoff, a good three days.
	MaxAttempts int

	// Backoff returns how long a delivery rests after its nth failure, n from 1 on. [webhook.RetryAfter] goes before it.
	// Defaults to [Backoff].
	Backoff func(n int) time.Duration

	// Concurrency is how many callbacks one Run has running at once, of all its handlers: give all handlers to one Run, by
	// [Inbox.Add] where they come later, for a limit of the process. Defaults to [DefaultConcurrency].
	Concurrency int

	// Limits are how many of them may be for one vendor ("greenflash"), or for one endpoint of it ("greenflash/eu"; the
	// name of an endpoint without one is "default"), in each Run. Whatever is not listed may use all of Concurrency.
	Limits map[string]int

	// DrainTimeout is how long callbacks may go on once the context of Run has ended, where nothing else limits them. Then
	// they are canceled, and have a second to return. [Inbox.Shutdown] does not use it: its context is the limit.
	// Defaults to [DefaultDrainTimeout].
	DrainTimeout time.Duration

	// Logger gets a line for each delivery that becomes a dead letter, and for what an operator must know.
	// What came of each callback is the handler's line. Defaults to slog.Default().
	Logger *slog.Logger

	// OnDead, if set, is called for each delivery that has become a dead letter: to alert somebody. It is called once it is
	// one, and not again if the process dies meanwhile. A panic is logged and changes nothing.
	//
	// Calls take no place of a callback: up to [MaxAlerts] run at once, and up to [MaxAlertsWaiting] dead letters wait for
	// them. The context ends after [AlertTimeout]. At shutdown, calls that run or wait have the time that callbacks have.
	// Then they are canceled, and an Error line names each dead letter that OnDead was not called for.
	OnDead func(ctx context.Context, e Entry)
}

// WithDefaults returns a copy with every default filled in, or an error that names the field which breaks a rule.
// Engines call it.
func (p Policy) WithDefaults() (Policy, error) {
	for name, n := range map[string]int64{
		"MaxAttempts": int64(p.MaxAttempts), "Concurrency": int64(p.Concurrency), "DrainTimeout": int64(p.DrainTimeout),
	} {
		if n < 0 {
			return p, fmt.Errorf("inbox: Policy.%s cannot be negative", name)
		}
	}
	for name, n := range p.Limits {
		vendor, endpoint, named := strings.Cut(name, "/")
		switch {
		case n <= 0:
			return p, fmt.Errorf("inbox: Policy.Limits[%q] must be positive; to run nothing, leave the handler out of Run", name)
		case vendor == "" || named && endpoint == "":
			return p, fmt.Errorf("inbox: Policy.Limits[%q] must be a vendor, or a vendor, a slash and an endpoint", name)
		}
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = DefaultMaxAttempts
	}
	if p.Concurrency == 0 {
		p.Concurrency = DefaultConcurrency
	}
	if p.DrainTimeout == 0 {
		p.DrainTimeout = DefaultDrainTimeout
	}
	if p.Backoff == nil {
		p.Backoff = Backoff
	}
	if p.Logger == nil {
		p.Logger = slog.Default()
	}
	return p, nil
}

// The bounds of Backoff.
const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 6 * time.Hour
)

// Backoff is the default of [Policy.Backoff]: 5 s after the first failure, twice as long after each further one, at most
// 6 h, and of that up to a tenth more or less, so that what failed together does not come again together.
func Backoff(n int) time.Duration {
	d := lastBackoff
	if doublings := max(n, 1) - 1; doublings <= 12 {
		d = firstBackoff << doublings
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // parts those who failed together
}
