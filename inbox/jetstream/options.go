package jetstreaminbox

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// The defaults of [Options].
const (
	DefaultName     = "AIHOOKS"
	DefaultReplicas = 3
	DefaultWindow   = 2 * time.Hour
	DefaultLease    = 30 * time.Second
)

// Options are the options of [New]. The zero value of each field but Store means its default.
type Options struct {
	// Name is the name of the stream of deliveries, and the prefix of all subjects. Several inboxes in one account need
	// different names. Defaults to [DefaultName].
	Name string

	// Policy sets attempts, backoff, limits, drain timeout and logger.
	Policy inbox.Policy

	// Store is the idempotency store. JetStream recognizes a duplicate only within Window, and only until its server
	// restarts. Handlers without a Store of their Options use this one. All processes must share it, in Redis or a
	// database. Required.
	Store idempotency.Store

	// ServerSyncsAlways asserts that the servers are configured with sync_interval: always. Without that setting, a
	// server acknowledges a message up to two minutes before it is on disk, and a client cannot read the setting. If
	// ServerSyncsAlways is false, streams with fewer than three replicas are refused.
	ServerSyncsAlways bool

	// Replicas is how many servers keep each message, if New creates the streams. Defaults to [DefaultReplicas], or to 1
	// with ServerSyncsAlways.
	Replicas int

	// Window is how long JetStream itself recognizes a duplicate, if New creates the streams. JetStream keeps about 200
	// bytes per delivery in memory for it. After Window, or a restart, a duplicate is stored again, and Store prevents a
	// second run. Defaults to [DefaultWindow]. That covers the retries of Convosphere (31 min) and WorkFlux (81 min).
	// EmberQA asks for 24 h, and Greenflash publishes no schedule: Store recognizes their later duplicates.
	Window time.Duration

	// MaxMessages and MaxBytes limit the deliveries that wait for their callback, if New creates the streams. Above the
	// limit, a new delivery is refused with [webhook.ErrInboxFull]: it gets 503, and the vendor retries. Deferred
	// deliveries do not count. The account's limits apply to them, and [Inbox.Discard] deletes them. Default to the
	// account's limits.
	MaxMessages, MaxBytes int64

	// DeadLetterRetention is how long dead letters are kept, if New creates the streams. The server then deletes them
	// without a log line. Zero keeps them until they are retried or discarded.
	DeadLetterRetention time.Duration

	// Lease is how long a process keeps a delivery after it stops renewing. A running callback renews the lease, however
	// long it takes. All processes must use the same value. Defaults to [DefaultLease].
	Lease time.Duration
}

// minLease leaves a process enough time to renew its leases while the server is busy.
const minLease = 500 * time.Millisecond

func (o *Options) withDefaults() (Options, error) {
	c, err := o.withoutStore()
	if err == nil && c.Store == nil {
		err = errors.New("jetstreaminbox: Options.Store is required: JetStream recognizes a duplicate only for a limited time")
	}
	return c, err
}

// withoutStore returns the options with their defaults. It accepts options without a store.
func (o *Options) withoutStore() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, n := range map[string]int64{
		"Replicas": int64(c.Replicas), "Window": int64(c.Window), "MaxMessages": c.MaxMessages, "MaxBytes": c.MaxBytes,
		"DeadLetterRetention": int64(c.DeadLetterRetention), "Lease": int64(c.Lease),
	} {
		if n < 0 {
			return c, fmt.Errorf("jetstreaminbox: Options.%s (%d) must not be negative", name, n)
		}
	}
	if c.Name == "" {
		c.Name = DefaultName
	}
	if strings.ContainsFunc(c.Name, func(r rune) bool { return r > 'z' || !plain(byte(r)) && r != '_' }) {
		return c, fmt.Errorf("jetstreaminbox: Options.Name (%q) must have only letters, digits, '-' and '_'", c.Name)
	}
	if c.Replicas == 0 {
		c.Replicas = DefaultReplicas
		if c.ServerSyncsAlways {
			c.Replicas = 1
		}
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Lease < minLease {
		return c, fmt.Errorf("jetstreaminbox: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	}
	var err error
	c.Policy, err = engine.WithDefaults(c.Policy)
	return c, err
}
