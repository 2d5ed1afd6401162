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
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

func (a *app) inboxCommand() *cobra.Command {
	var web bool
	var address string
	var hosts []string
	c := &cobra.Command{
		Use:   "inbox",
		Short: "Look after an SQLite inbox while the service runs",
		Long: `Inbox shows what is in an SQLite inbox, and retries or discards its dead letters, while the service that has it open runs or not.
It runs no callbacks itself: what is retried is run by the service. It makes no file, and deletes nothing but what it is told
to discard. list, show, stats and the page also open a backup, and a file that cannot be written.`,
		Example: `  aihooks inbox stats inbox.db
  aihooks inbox list inbox.db --state dead --vendor workflux
  aihooks inbox retry inbox.db --type user.message
  aihooks inbox --web inbox.db`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case !web && len(args) > 0:
				return fmt.Errorf("there is no command %q of inbox; there are list, show, retry, discard and stats", args[0])
			case web && len(args) != 1:
				return errors.New("--web needs the inbox's file")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !web {
				return c.Help()
			}
			a.queueOutput() // what the page logs must not hold up a request
			return a.with(args[0], func(box *sqlite.Inbox) error {
				web, err := a.openWebServer(c.Context(), inboxsource.New(box, filepath.Base(args[0])), address, hosts)
				if err != nil {
					return err
				}
				web.show()
				a.notef("Ctrl-C ends")
				return web.serve()
			})
		},
	}
	addWebFlags(c.Flags(), &web, &address, defaultInboxWeb, &hosts)
	c.AddCommand(a.inboxListCommand(), a.inboxShowCommand(), a.inboxRetryCommand(), a.inboxDiscardCommand(), a.inboxStatsCommand())
	return c
}

// with opens an inbox for f.
func (a *app) with(path string, f func(*sqlite.Inbox) error) error {
	box, err := sqlite.Attach(path)
	if err != nil {
		return err
	}
	return errors.Join(f(box), box.Close())
}

// A filterFlags is the filter of a command line.
type filterFlags struct {
	filter      inbox.Filter
	from, until string
}

func (o *filterFlags) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.filter.Vendor, "vendor", "", "only this `vendor`'s")
	f.StringVar(&o.filter.Endpoint, "endpoint", "", "only this `endpoint`'s")
	f.StringVar(&o.filter.Type, "type", "", "only events of this `type`")
	f.StringVar(&o.from, "from", "", "only what was received at that `time` or later: RFC 3339, or how long ago (1h30m)")
	f.StringVar(&o.until, "until", "", "only what was received before that `time`")
	completeVendor(c)
}

// get returns the filter; one that says nothing is for the caller to judge.
func (o *filterFlags) get() (inbox.Filter, error) {
	f := o.filter
	var err error
	if f.From, err = moment(o.from); err != nil {
		return f, usage("--from: %w", err)
	}
	if f.Until, err = moment(o.until); err != nil {
		return f, usage("--until: %w", err)
	}
	return f, nil
}

func moment(s string) (time.Time, error) {
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

// found turns what a command found into its error.
func found(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, inbox.ErrNotFound):
		return errors.New("there is no such entry, or it is not a dead letter")
	case ctx.Err() != nil:
		return errors.New("interrupted")
	default:
		return err
	}
}
