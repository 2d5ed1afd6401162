package inbox

import (
	"context"
	"log/slog"
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
	// Defaults to [DefaultBackoff].
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

	// OnDeadLetter, if set, is called for each delivery that has become a dead letter: to alert somebody. It is called once it is
	// one, and not again if the process dies meanwhile. A panic is logged and changes nothing.
	//
	// Calls take no slot of a callback: in each Run, up to 4 run at once, and up to 256 dead letters wait for them. The
	// context ends after a minute. At shutdown, calls that run or wait have the time that callbacks have.
	// Then they are canceled, and an Error line names each dead letter that OnDeadLetter was not called for.
	OnDeadLetter func(ctx context.Context, e Entry)
}
