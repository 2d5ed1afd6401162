package riverinbox

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// The defaults of [Options], and what [Inbox.Configure] sets in a [river.Config] that leaves it open.
const (
	DefaultNamespace           = "river"
	DefaultLease               = 2 * time.Minute
	DefaultFetchCooldown       = 20 * time.Millisecond
	DefaultPoll                = 250 * time.Millisecond
	DefaultRetention           = 7 * 24 * time.Hour
	DefaultDeadLetterRetention = 30 * 24 * time.Hour
)

// MaxLease is the longest [Options].Lease: for so long nobody runs what a process that died had taken.
const MaxLease = 10 * time.Minute

// Options are the options of [New]. The zero value of each field stands for its default.
type Options struct {
	// Policy says how deliveries are run: attempts, backoff, limits, drain, logger. Concurrency is for each Run.
	Policy inbox.Policy

	// Namespace keeps the keys of this service apart from those of others in the same idempotency table; see
	// sqlstore.Options. Services that share a database have different ones, and different schemas for River: one
	// schema is one inbox. Defaults to [DefaultNamespace].
	Namespace string

	// Table is the name of the idempotency store's table, after the name of its schema and a dot where there is one; see
	// sqlstore.Options. River's tables are in river.Config.Schema. Where neither names a schema, both are found by the
	// search path of the pool's connections. Defaults to sqlstore.DefaultTable.
	Table string

	// Lease is River's RescueStuckJobsAfter: a delivery that a process has had for so long is taken for lost with it, and
	// run again. River renews nothing, so it must be longer than any callback may take: longer than the handlers'
	// CallbackTimeout. Defaults to [DefaultLease]; at most [MaxLease].
	//
	// River looks for such deliveries every 30 seconds, and has them run up to 5 seconds later.
	Lease time.Duration

	// FetchCooldown is how long a Run rests between two looks for deliveries of one endpoint while there are some. Each
	// look takes up to Policy.Concurrency, so the two bound what a Run can do: 64 every 20 ms is 3,200 a second.
	// Defaults to [DefaultFetchCooldown], where River's own is 100 ms. [Inbox.Configure] sets it for the client as well,
	// where that leaves it open: a client announces no more than one delivery of an endpoint in that time.
	FetchCooldown time.Duration

	// Poll is how often a Run looks for deliveries that nothing has announced: those that came right after another, those
	// whose rest of less than 5 seconds is over, and with River's PollOnly all. Each look is one short query for all
	// endpoints; with PollOnly, which cannot be told of what was found, one for each. Defaults to [DefaultPoll].
	Poll time.Duration

	// Retention is that of the idempotency store, and the least that River must keep completed jobs, by which duplicates
	// are recognised: longer than a delivery can come again. Defaults to [DefaultRetention].
	Retention time.Duration

	// DeadLetterRetention is the least that River must keep cancelled and discarded jobs, which are the dead letters.
	// Defaults to [DefaultDeadLetterRetention].
	DeadLetterRetention time.Duration
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for _, field := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"Lease", &c.Lease, DefaultLease},
		{"FetchCooldown", &c.FetchCooldown, DefaultFetchCooldown},
		{"Poll", &c.Poll, DefaultPoll},
		{"Retention", &c.Retention, DefaultRetention},
		{"DeadLetterRetention", &c.DeadLetterRetention, DefaultDeadLetterRetention},
	} {
		switch {
		case *field.value < 0:
			return c, fmt.Errorf("riverinbox: Options.%s cannot be negative", field.name)
		case *field.value == 0:
			*field.value = field.standard
		}
	}
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.Table == "" {
		c.Table = sqlstore.DefaultTable
	}
	switch {
	case c.Lease > MaxLease:
		return c, fmt.Errorf("riverinbox: Options.Lease (%v) may be at most %v: so long a delivery rests whose process has died", c.Lease, MaxLease)
	case c.Lease < minLease:
		return c, fmt.Errorf("riverinbox: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	case c.Poll < c.FetchCooldown:
		return c, fmt.Errorf("riverinbox: Options.Poll (%v) cannot be shorter than FetchCooldown (%v)", c.Poll, c.FetchCooldown)
	}
	var err error
	if c.Policy, err = engine.WithDefaults(c.Policy); err != nil {
		return c, err
	}
	if c.Policy.Concurrency > maxWorkers {
		return c, fmt.Errorf("riverinbox: Options.Policy.Concurrency (%d) may be at most %d, which is River's limit", c.Policy.Concurrency, maxWorkers)
	}
	return c, nil
}

// store returns the options of the idempotency store.
func (o *Options) store() *sqlstore.Options {
	return &sqlstore.Options{
		Dialect: sqlstore.PostgreSQL, Namespace: o.Namespace, Table: o.Table, Retention: o.Retention, Batch: true,
	}
}

const (
	minLease   = time.Second
	maxWorkers = 10_000
)
