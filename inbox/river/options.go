package riverinbox

import (
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// DefaultNamespace and the other defaults are those of [Options]. [Inbox.Configure] sets them in a [river.Config] too.
const (
	DefaultNamespace           = "river"
	DefaultLease               = 2 * time.Minute
	DefaultFetchCooldown       = 20 * time.Millisecond
	DefaultPoll                = 250 * time.Millisecond
	DefaultRetention           = 7 * 24 * time.Hour
	DefaultDeadLetterRetention = 30 * 24 * time.Hour
)

// MaxLease is the longest [Options].Lease. After a crash, the deliveries of the process wait for that long.
const MaxLease = 10 * time.Minute

// Options are the options of [New]. The zero value of each field means its default.
type Options struct {
	// Policy sets attempts, backoff, limits, drain timeout and logger. Its Concurrency applies to each Run.
	Policy inbox.Policy

	// Namespace separates the keys of this service from those of other services in the same idempotency table. See
	// sqlstore.Options. Services that share a database need different namespaces, and different schemas for River: one
	// schema holds one inbox. Defaults to [DefaultNamespace].
	Namespace string

	// Table is the name of the idempotency store's table. It may be qualified: "schema.table". See sqlstore.Options.
	// River's tables are in river.Config.Schema. Without a schema, the search path of the pool's connections applies.
	// Defaults to sqlstore.DefaultTable.
	Table string

	// Lease is River's RescueStuckJobsAfter. A Run renews the leases of the callbacks that run, for any time. If a process
	// has not renewed the lease of a delivery for that long, the process counts as lost, and the delivery runs again. All
	// processes must use the same value. Defaults to [DefaultLease]; at most [MaxLease].
	//
	// River looks for such deliveries every 30 seconds, and runs them up to 5 seconds later.
	Lease time.Duration

	// FetchCooldown is the minimum time between two fetches from one endpoint's queue. Each fetch returns up to
	// Policy.Concurrency deliveries, so the two limit the throughput of a Run: 64 every 20 ms is 3,200 a second.
	// Defaults to [DefaultFetchCooldown]. River's own default is 100 ms. [Inbox.Configure] also sets it for the client,
	// if unset: the client announces at most one delivery of an endpoint within that time.
	FetchCooldown time.Duration

	// Poll is how often a Run looks for deliveries that River has not announced. Those are deliveries stored right after
	// another one, and retries with a backoff of less than 5 seconds. With River's PollOnly, those are all deliveries.
	// Each poll is one short query for all endpoints. With PollOnly it is one query per endpoint. Defaults to
	// [DefaultPoll].
	Poll time.Duration

	// Retention is the retention of the idempotency store. It is also the minimum time that River must keep completed
	// jobs, by which duplicates are recognized. It must be longer than a vendor may send the same delivery again.
	// Defaults to [DefaultRetention].
	Retention time.Duration

	// DeadLetterRetention is the minimum time that River must keep cancelled and discarded jobs, which are the dead
	// letters. Defaults to [DefaultDeadLetterRetention].
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
			return c, fmt.Errorf("riverinbox: Options.%s (%v) must not be negative", field.name, *field.value)
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
		return c, fmt.Errorf("riverinbox: Options.Lease (%v) must be at most %v: after a crash, deliveries wait for that long", c.Lease, MaxLease)
	case c.Lease < minLease:
		return c, fmt.Errorf("riverinbox: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	case c.Poll < c.FetchCooldown:
		return c, fmt.Errorf("riverinbox: Options.Poll (%v) must not be shorter than FetchCooldown (%v)", c.Poll, c.FetchCooldown)
	}
	var err error
	if c.Policy, err = engine.WithDefaults(c.Policy); err != nil {
		return c, err
	}
	if c.Policy.Concurrency > maxWorkers {
		return c, fmt.Errorf("riverinbox: Options.Policy.Concurrency (%d) must be at most %d, which is River's limit", c.Policy.Concurrency, maxWorkers)
	}
	return c, nil
}

func (o *Options) store() *sqlstore.Options {
	return &sqlstore.Options{
		Dialect: sqlstore.PostgreSQL, Namespace: o.Namespace, Table: o.Table, Retention: o.Retention, Batch: true,
	}
}

const (
	minLease   = time.Second
	maxWorkers = 10_000
)
