package sqliteinbox

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// The defaults of [Options].
const (
	DefaultMaxPending          = 1_000_000
	DefaultMinFree             = 256 << 20
	DefaultLease               = 30 * time.Second
	DefaultPoll                = 200 * time.Millisecond
	DefaultRetention           = 7 * 24 * time.Hour
	DefaultBodyRetention       = 24 * time.Hour
	DefaultDeadLetterRetention = 30 * 24 * time.Hour
)

// Forever is a retention that never ends.
const Forever time.Duration = 1<<63 - 1

// Options configures [Open]. The zero value of each field means its default.
type Options struct {
	// Policy configures how deliveries run: attempts, backoff, limits, drain, logger.
	Policy inbox.Policy

	// MaxPending is how many deliveries may be pending or running. Past it, [webhook.ErrInboxFull] refuses a new
	// delivery: the response is 503, and the vendor keeps it. Defaults to [DefaultMaxPending].
	//
	// Deferred deliveries, whose type has no callback, are counted separately. MaxPending of them may wait too. Past it,
	// new deliveries of their types are refused; this takes effect within 10 s. [Inbox.Discard] deletes deferred
	// deliveries.
	MaxPending int

	// MinFree is how many bytes the disk must have free. With less, new deliveries are refused, so that space remains to
	// process the stored ones. A negative value disables the check. If the system does not report the free space, Open
	// logs a warning and MinFree has no effect. Defaults to [DefaultMinFree].
	MinFree int64

	// Lease is how long a process keeps the deliveries that it runs without renewing their leases. A Run renews them
	// while callbacks run, for any time. Must be at least 100 ms. Defaults to [DefaultLease].
	Lease time.Duration

	// Poll is how often a Run looks for deliveries that another process has stored or given back. A Run is notified at
	// once of deliveries that its process has stored. Defaults to [DefaultPoll].
	Poll time.Duration

	// Retention is how long deliveries that are done are kept, counted from the time they were done. Until then, the same
	// delivery is recognized as a duplicate. It is also the retention of the idempotency store. It must be longer than
	// the time in which a vendor may send a delivery again. Defaults to [DefaultRetention].
	Retention time.Duration

	// BodyRetention is how long the bodies and headers of deliveries that are done are kept, for [Inbox.Rerun]. If it is
	// negative, they are deleted when the delivery is done. Defaults to [DefaultBodyRetention].
	BodyRetention time.Duration

	// DeadLetterRetention is how long dead letters and deferred deliveries are kept. Then they are deleted, with a
	// warning in the log. Defaults to [DefaultDeadLetterRetention]; see [Forever].
	DeadLetterRetention time.Duration
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, n := range map[string]int64{
		"MaxPending": int64(c.MaxPending), "Lease": int64(c.Lease), "Poll": int64(c.Poll),
		"Retention": int64(c.Retention), "DeadLetterRetention": int64(c.DeadLetterRetention),
	} {
		if n < 0 {
			return c, fmt.Errorf("sqliteinbox: Options.%s (%d) must not be negative", name, n)
		}
	}
	fill(&c.MaxPending, DefaultMaxPending)
	fill(&c.MinFree, DefaultMinFree)
	fill(&c.Lease, DefaultLease)
	fill(&c.Poll, DefaultPoll)
	fill(&c.Retention, DefaultRetention)
	fill(&c.BodyRetention, DefaultBodyRetention)
	fill(&c.DeadLetterRetention, DefaultDeadLetterRetention)
	if c.Lease < minLease {
		return c, fmt.Errorf("sqliteinbox: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	}
	var err error
	c.Policy, err = engine.WithDefaults(c.Policy)
	return c, err
}

// minLease is long enough to renew leases while the disk is busy.
const minLease = 100 * time.Millisecond

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
