package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/inboxsource"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

func (a *app) inboxCommand() *cobra.Command {
	var web bool
	var address string
	var hosts []string
	c := &cobra.Command{
		Use:   "inbox",
		Short: "Show and manage an SQLite inbox, also while the service runs",
		Long: `Inbox shows the entries of an SQLite inbox, and retries or discards its dead letters. The service may be running or stopped.
Inbox runs no callbacks: the service runs the entries that are retried. It never creates a file, and deletes only what you
discard. list, show, stats and the page also open backups and read-only files.`,
		Example: `  aihooks inbox stats inbox.db
  aihooks inbox list inbox.db --state dead_lettered --vendor workflux
  aihooks inbox retry inbox.db --type user.message
  aihooks inbox --web inbox.db`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case !web && len(args) > 0:
				return fmt.Errorf("unknown inbox command %q: it must be list, show, retry, discard or stats", args[0])
			case web && len(args) != 1:
				return errors.New("--web needs the file of the inbox")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !web {
				return c.Help()
			}
			a.queueOutput() // so that logging never blocks a request
			return a.with(args[0], func(box *sqliteinbox.Inbox) error {
				web, err := a.openWebServer(c.Context(), inboxsource.New(box, filepath.Base(args[0])), address, hosts)
				if err != nil {
					return err
				}
				web.show()
				a.notef("press Ctrl-C to stop")
				return web.serve()
			})
		},
	}
	addWebFlags(c.Flags(), &web, &address, defaultInboxWeb, &hosts)
	c.AddCommand(a.inboxListCommand(), a.inboxShowCommand(), a.inboxRetryCommand(), a.inboxDiscardCommand(), a.inboxStatsCommand())
	return c
}

// with opens an inbox, calls f, and closes the inbox.
func (a *app) with(path string, f func(*sqliteinbox.Inbox) error) error {
	box, err := sqliteinbox.Attach(path)
	if err != nil {
		return err
	}
	return errors.Join(f(box), box.Close())
}

// filterFlags are the flags that select entries.
type filterFlags struct {
	filter      inbox.Filter
	from, until string
}

func (o *filterFlags) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.filter.Vendor, "vendor", "", "select entries of this `vendor`")
	f.StringVar(&o.filter.Endpoint, "endpoint", "", "select entries of this `endpoint`")
	f.StringVar(&o.filter.Type, "type", "", "select events of this `type`")
	f.StringVar(&o.from, "from", "", "select entries received at this `time` or later: RFC 3339, or how long ago (1h30m)")
	f.StringVar(&o.until, "until", "", "select entries received before this `time`")
	completeVendor(c)
}

// get returns the filter, which is empty if no flag is set.
func (o *filterFlags) get() (inbox.Filter, error) {
	f := o.filter
	var err error
	if f.From, err = parseTime(o.from); err != nil {
		return f, usage("--from: %w", err)
	}
	if f.Until, err = parseTime(o.until); err != nil {
		return f, usage("--until: %w", err)
	}
	return f, nil
}

// parseTime parses RFC 3339, or a duration before now. It returns the zero time for "".
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither RFC 3339 nor a duration", s)
	}
	return t, nil
}

// explainError replaces errors whose text would not help a user.
func explainError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		return errors.New("there is no such entry, or it is not a dead letter")
	case ctx.Err() != nil:
		return errors.New("interrupted")
	default:
		return err
	}
}
