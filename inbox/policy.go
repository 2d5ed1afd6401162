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

// A Policy configures how stored deliveries run. It means the same in all engines. The zero value of each field means its
// default.
type Policy struct {
	// MaxAttempts is how many times a callback may fail before its delivery becomes a dead letter. Failures that are not
	// the callback's, such as an unavailable store, do not count. A crash of the process counts only if an earlier
	// process crashed with the same delivery: see Crashes in the package documentation. Defaults to [DefaultMaxAttempts],
	// which takes about three days with the default backoff.
	MaxAttempts int

	// Backoff returns the delay before the next attempt, after n failures; n is at least 1. [webhook.RetryAfter]
	// overrides it. Defaults to [DefaultBackoff].
	Backoff func(n int) time.Duration

	// Concurrency is how many callbacks one Run runs at the same time, for all its handlers. To limit the whole process,
	// use one Run for all handlers; add later ones by [Inbox.Add]. Defaults to [DefaultConcurrency].
	Concurrency int

	// Limits are the highest numbers of callbacks for one vendor ("greenflash") or one endpoint ("greenflash/eu") in each
	// Run. An endpoint without a name is "default". Vendors and endpoints that are not listed may use all of Concurrency.
	Limits map[string]int

	// DrainTimeout is how long callbacks may continue after the context of Run has ended. Then they are canceled and have
	// a second to return. [Inbox.Shutdown] does not use it: its context is the limit. Defaults to [DefaultDrainTimeout].
	DrainTimeout time.Duration

	// Logger gets a line for each delivery that becomes a dead letter, and for problems that an operator must know. The
	// handler logs the result of each callback. Defaults to slog.Default().
	Logger *slog.Logger

	// OnDeadLetter, if set, is called for each new dead letter, for example to send an alert. It is called after the dead
	// letter was stored. If the process crashes in between, it is not called later. A panic is logged and has no other
	// effect.
	//
	// Calls use no slot of a callback. In each Run, up to 4 calls run at the same time, and up to 256 dead letters wait
	// for a call. The context ends after a minute. At shutdown, calls that run or wait have as much time as callbacks.
	// Then they are canceled, and an Error line names each dead letter that OnDeadLetter was not called for.
	//
	// Many deliveries can become dead letters at once. To send one alert for all of them, set it to the Add of a [Digest].
	OnDeadLetter func(ctx context.Context, e Entry)
}
