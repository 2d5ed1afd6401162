package sqlite

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// The defaults of [Options].
const (
	DefaultMaxPending    = 1_000_000
	DefaultMinFree       = 256 << 20
	DefaultLease         = 30 * time.Second
	DefaultPoll          = 200 * time.Millisecond
	DefaultRetention     = 7 * 24 * time.Hour
	DefaultBodyRetention = 24 * time.Hour
	DefaultDeadRetention = 30 * 24 * time.Hour
)

// Forever is a retention that does not end.
const Forever time.Duration = 1<<63 - 1

// Options are the options of [Open]. The zero value of each field stands for its default.
type Options struct {
	// Policy says how deliveries are run: attempts, backoff, limits, drain, logger.
	Policy inbox.Policy

	// MaxPending is how many deliveries may wait for their callback, those that run included. Past it, a new delivery is
	// refused with [webhook.ErrInboxFull], so that it is answered 503 and the vendor keeps it. Deliveries whose type
	// has no callback are counted apart: MaxPending of them may wait as well, and past it, which is noticed within 10 s,
	// new deliveries of their types are refused. [Inbox.Discard] deletes them. Defaults to [DefaultMaxPending].
	MaxPending int

	// MinFree is how many bytes the disk must have free. Below that, new deliveries are refused as well, and there is room
	// left to work off those that are stored. Negative: nobody looks. Where the system does not report
	// the free space, Open logs a warning and MinFree has no effect. Defaults to [DefaultMinFree].
	MinFree int64

	// Lease is for how long a process that is not heard of keeps the deliveries that it runs. It is renewed while they
	// run, however long that is. Defaults to [DefaultLease].
	Lease time.Duration

	// Poll is how often a Run looks for deliveries that another process has stored, in the same file, or given back.
	// Those of its own process it sees at once. Defaults to [DefaultPoll].
	Poll time.Duration

	// Retention is for how long deliveries that are done are known, so that the same one is not stored again, counted from
	// their end. It is also the retention of the idempotency store. It must be longer than a delivery can come again.
	// Defaults to [DefaultRetention].
	Retention time.Duration

	// BodyRetention is for how long the bodies and headers of deliveries that are done are kept, for [Inbox.Rerun].
	// Negative: they are deleted in the moment in which the delivery is done. Defaults to [DefaultBodyRetention].
	BodyRetention time.Duration

	// DeadRetention is for how long dead letters are kept, and deliveries whose type has no callback. Then they are
	// deleted, with a warning in the log. Defaults to [DefaultDeadRetention]; see [Forever].
	DeadRetention time.Duration
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, n := range map[string]int64{
		"MaxPending": int64(c.MaxPending), "Lease": int64(c.Lease), "Poll": int64(c.Poll),
		"Retention": int64(c.Retention), "DeadRetention": int64(c.DeadRetention),
	} {
		if n < 0 {
			return c, fmt.Errorf("sqlite: Options.%s cannot be negative", name)
		}
	}
	fill(&c.MaxPending, DefaultMaxPending)
	fill(&c.MinFree, DefaultMinFree)
	fill(&c.Lease, DefaultLease)
	fill(&c.Poll, DefaultPoll)
	fill(&c.Retention, DefaultRetention)
	fill(&c.BodyRetention, DefaultBodyRetention)
	fill(&c.DeadRetention, DefaultDeadRetention)
	if c.Lease < minLease {
		return c, fmt.Errorf("sqlite: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	}
	var err error
	c.Policy, err = c.Policy.WithDefaults()
	return c, err
}

// minLease leaves a process time to renew its leases while its disk is busy.
const minLease = 100 * time.Millisecond

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
