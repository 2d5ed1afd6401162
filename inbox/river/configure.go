package riverinbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// Configure adds to the configuration of River's client what the inbox needs: its worker, a queue for its own purposes, a
// time after which River rescues what a process has left behind, for how long it keeps jobs that are done and dead, and how
// often it announces new ones.
// What is set already stays as it is, or is refused with an error that names the field and the rule. Whatever else is in
// there, workers, queues, hooks, is the caller's.
//
// Call it for every client that may become River's leader in this schema: a leader that does not know the worker discards
// what it should rescue, and one with shorter retentions deletes what should be kept.
func (b *Inbox) Configure(c *river.Config) error {
	if c == nil {
		return errors.New("riverinbox: Configure needs a river.Config")
	}
	if c.Schema != "" && b.options.Namespace == DefaultNamespace {
		return fmt.Errorf("riverinbox: Config.Schema is %q: a schema is a service of its own, so set Options.Namespace as well", c.Schema)
	}
	if err := b.rescue(c); err != nil {
		return err
	}
	for _, r := range []struct {
		name  string
		value *time.Duration
		least time.Duration
		why   string
	}{
		{"CompletedJobRetentionPeriod", &c.CompletedJobRetentionPeriod, b.options.Retention, "Options.Retention: then a delivery that is sent again is taken for a new one"},
		{"CancelledJobRetentionPeriod", &c.CancelledJobRetentionPeriod, b.options.DeadLetterRetention, "Options.DeadLetterRetention: then dead letters are deleted"},
		{"DiscardedJobRetentionPeriod", &c.DiscardedJobRetentionPeriod, b.options.DeadLetterRetention, "Options.DeadLetterRetention: then dead letters are deleted"},
	} {
		switch {
		case *r.value == 0:
			*r.value = max(r.least, riverRetention(r.name))
		case *r.value > 0 && *r.value < r.least: // negative ones are forever
			return fmt.Errorf("riverinbox: Config.%s (%v) must be at least %v, which is %s", r.name, *r.value, r.least, r.why)
		}
	}
	if c.Test.DisableUniqueEnforcement {
		return errors.New("riverinbox: Config.Test.DisableUniqueEnforcement must not be set: duplicates would be run")
	}
	if c.FetchCooldown == 0 {
		c.FetchCooldown = b.options.FetchCooldown // by which River limits its announcements
	}
	if c.Workers == nil {
		c.Workers = river.NewWorkers()
	}
	if err := river.AddWorkerSafely(c.Workers, &worker{inbox: b}); err != nil {
		return fmt.Errorf("riverinbox: one client is for one inbox: %w", err)
	}
	if c.Queues == nil {
		c.Queues = make(map[string]river.QueueConfig)
	}
	c.Queues[controlQueue] = river.QueueConfig{MaxWorkers: 1}
	b.schema, b.pollOnly = c.Schema, c.PollOnly
	b.configured.Store(true)
	return nil
}

// rescue sees to what a process leaves behind that dies. River has it lie for an hour.
func (b *Inbox) rescue(c *river.Config) error {
	switch {
	case c.RescueStuckJobsAfter == 0:
		c.RescueStuckJobsAfter = b.options.Lease
	case c.RescueStuckJobsAfter != b.options.Lease:
		return fmt.Errorf("riverinbox: Config.RescueStuckJobsAfter (%v) must be left out, or be Options.Lease (%v): so long a delivery rests whose process has died",
			c.RescueStuckJobsAfter, b.options.Lease)
	}
	timeout := c.JobTimeout
	if timeout == 0 {
		timeout = river.JobTimeoutDefault
	}
	if timeout > b.options.Lease {
		return fmt.Errorf("riverinbox: Config.JobTimeout (%v) must be at most Options.Lease (%v), after which River rescues jobs; give a worker that needs longer a Timeout of its own",
			timeout, b.options.Lease)
	}
	return nil
}

// riverRetention is what River keeps by itself, which other workers of the client may count on.
func riverRetention(field string) time.Duration {
	if field == "DiscardedJobRetentionPeriod" {
		return 7 * 24 * time.Hour
	}
	return 24 * time.Hour
}
