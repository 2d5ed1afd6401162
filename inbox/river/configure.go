package riverinbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// Configure adds what the inbox needs to the configuration of River's client: its worker and a control queue. It also
// sets RescueStuckJobsAfter, the retention periods of finished jobs, and FetchCooldown. Configure keeps a field that is
// already set, or refuses it with an error that names the field and the rule. Other workers, queues and hooks stay as
// they are.
//
// Call it for every client that may become River's leader in this schema. A leader that does not know the worker
// discards the jobs that it should rescue. A leader with shorter retention periods deletes jobs too early.
//
// Middleware and hooks of workers must return the errors of this inbox's jobs unchanged. One of these errors tells River to
// store no result, because another process may run the job.
func (b *Inbox) Configure(c *river.Config) error {
	if c == nil {
		return errors.New("riverinbox: Configure needs a river.Config")
	}
	if b.attached {
		return errAttached
	}
	if c.Schema != "" && b.options.Namespace == DefaultNamespace {
		return fmt.Errorf("riverinbox: Options.Namespace must be set, because Config.Schema is %q: one schema holds one inbox", c.Schema)
	}
	if err := b.setRescue(c); err != nil {
		return err
	}
	for _, r := range []struct {
		name  string
		value *time.Duration
		least time.Duration
		why   string
	}{
		{"CompletedJobRetentionPeriod", &c.CompletedJobRetentionPeriod, b.options.Retention, "Options.Retention: otherwise a duplicate runs as a new delivery"},
		{"CancelledJobRetentionPeriod", &c.CancelledJobRetentionPeriod, b.options.DeadLetterRetention, "Options.DeadLetterRetention: otherwise dead letters are deleted too early"},
		{"DiscardedJobRetentionPeriod", &c.DiscardedJobRetentionPeriod, b.options.DeadLetterRetention, "Options.DeadLetterRetention: otherwise dead letters are deleted too early"},
	} {
		switch {
		case *r.value == 0:
			*r.value = max(r.least, riverRetention(r.name))
		case *r.value > 0 && *r.value < r.least: // a negative period keeps jobs forever
			return fmt.Errorf("riverinbox: Config.%s (%v) must be at least %v, which is %s", r.name, *r.value, r.least, r.why)
		}
	}
	if c.Test.DisableUniqueEnforcement {
		return errors.New("riverinbox: Config.Test.DisableUniqueEnforcement must not be set: duplicates would be run")
	}
	if c.FetchCooldown == 0 {
		c.FetchCooldown = b.options.FetchCooldown // also limits River's announcements
	}
	if c.Workers == nil {
		c.Workers = river.NewWorkers()
	}
	if err := river.AddWorkerSafely(c.Workers, &worker{inbox: b}); err != nil {
		return fmt.Errorf("riverinbox: a client must have only one inbox: %w", err)
	}
	if c.Queues == nil {
		c.Queues = make(map[string]river.QueueConfig)
	}
	c.Queues[controlQueue] = river.QueueConfig{MaxWorkers: 1}
	b.schema, b.pollOnly = c.Schema, c.PollOnly
	b.configured.Store(true)
	return nil
}

// setRescue sets when River rescues the jobs of a crashed process. River's default is one hour.
func (b *Inbox) setRescue(c *river.Config) error {
	switch {
	case c.RescueStuckJobsAfter == 0:
		c.RescueStuckJobsAfter = b.options.Lease
	case c.RescueStuckJobsAfter != b.options.Lease:
		return fmt.Errorf("riverinbox: Config.RescueStuckJobsAfter (%v) must be unset, or equal Options.Lease (%v): after a crash, deliveries wait for that long",
			c.RescueStuckJobsAfter, b.options.Lease)
	}
	timeout := c.JobTimeout
	if timeout == 0 {
		timeout = river.JobTimeoutDefault
	}
	if timeout > b.options.Lease {
		return fmt.Errorf("riverinbox: Config.JobTimeout (%v) must be at most Options.Lease (%v), after which River rescues jobs; a worker that needs longer must set its own Timeout",
			timeout, b.options.Lease)
	}
	return nil
}

// riverRetention returns River's default, which other workers of the client may rely on.
func riverRetention(field string) time.Duration {
	if field == "DiscardedJobRetentionPeriod" {
		return 7 * 24 * time.Hour
	}
	return 24 * time.Hour
}
