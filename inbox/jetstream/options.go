package jetstreaminbox

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
)

// The defaults of [Options].
const (
	DefaultName     = "AIHOOKS"
	DefaultReplicas = 3
	DefaultWindow   = 2 * time.Hour
	DefaultLease    = 30 * time.Second
)

// Options are the options of [New]. The zero value of each field but Store stands for its default.
type Options struct {
	// Name is the name of the stream of deliveries, and what all subjects begin with. Several inboxes in one account need
	// different ones. Defaults to [DefaultName].
	Name string

	// Policy says how deliveries are run: attempts, backoff, limits, drain, logger.
	Policy inbox.Policy

	// Store guards the callbacks: JetStream itself recognises a delivery only inside Window, and only until its server
	// restarts. Handlers whose own Options name none are given this one. It is to be one that all processes share, in Redis
	// or a database. Required.
	Store idempotency.Store

	// ServerSyncsAlways asserts that the servers are configured with sync_interval: always. Otherwise a server acknowledges
	// up to two minutes before it has the message on its disk, and a client cannot find out. Without it, streams with
	// fewer than three replicas are refused.
	ServerSyncsAlways bool

	// Replicas is how many servers keep each message, where streams are created. Defaults to [DefaultReplicas], and to 1
	// if ServerSyncsAlways.
	Replicas int

	// Window is for how long JetStream itself recognises a delivery that is sent again, where streams are created. It
	// remembers them in memory, about 200 bytes each. Past it, and after a restart, a delivery that comes again is stored
	// again, and Store keeps it from being run. Defaults to [DefaultWindow], which covers the retries of Convosphere
	// (31 min) and WorkFlux (81 min). EmberQA asks for 24 h and Greenflash publishes no schedule: there Store has to
	// recognise what comes later.
	Window time.Duration

	// MaxMessages and MaxBytes are how much may wait for its callback, where streams are created. Past that a new delivery
	// is refused with [webhook.ErrInboxFull], so that it is answered 503 and the vendor keeps it. Deliveries whose type
	// has no callback are not counted: the account's limits are theirs, and [Inbox.Discard] deletes them. Default to what
	// the account allows.
	MaxMessages, MaxBytes int64

	// DeadRetention is for how long dead letters are kept, where streams are created. The server deletes them without a
	// word. Zero: until they are retried or discarded.
	DeadRetention time.Duration

	// Lease is for how long a process that is not heard of keeps the deliveries that it runs. It is renewed while they
	// run, however long that is. It is the same in all processes. Defaults to [DefaultLease].
	Lease time.Duration
}

// minLease leaves a process time to renew its leases while the server is busy.
const minLease = 500 * time.Millisecond

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, n := range map[string]int64{
		"Replicas": int64(c.Replicas), "Window": int64(c.Window), "MaxMessages": c.MaxMessages, "MaxBytes": c.MaxBytes,
		"DeadRetention": int64(c.DeadRetention), "Lease": int64(c.Lease),
	} {
		if n < 0 {
			return c, fmt.Errorf("jetstream: Options.%s cannot be negative", name)
		}
	}
	if c.Name == "" {
		c.Name = DefaultName
	}
	if strings.ContainsFunc(c.Name, func(r rune) bool { return r > 'z' || !plain(byte(r)) && r != '_' }) {
		return c, fmt.Errorf("jetstream: Options.Name %q must be of letters, digits, '-' and '_'", c.Name)
	}
	if c.Store == nil {
		return c, errors.New("jetstream: Options.Store is required: JetStream recognises a delivery only for a while, and the store keeps it from being run twice")
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
		return c, fmt.Errorf("jetstream: Options.Lease (%v) must be at least %v", c.Lease, minLease)
	}
	var err error
	c.Policy, err = c.Policy.WithDefaults()
	return c, err
}
