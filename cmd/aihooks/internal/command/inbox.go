package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
)

// inboxVariable is the environment variable with the default of --from.
const inboxVariable = "AIHOOKS_INBOX"

func (a *app) inboxCommand() *cobra.Command {
	var web, write bool
	var address string
	var hosts []string
	c := &cobra.Command{
		Use:   "inbox",
		Short: "Show and manage an inbox in any engine, also while the service runs",
		Long: `Inbox shows the entries of an inbox, retries or discards dead letters, and pauses callbacks. The service may be running or
stopped. Inbox runs no callbacks: the service runs the entries that are retried.

--from names the inbox, or else the variable AIHOOKS_INBOX does, which keeps passwords off the command line:
  sqlite:FILE                            a file; "sqlite:" may be left out
  river:postgres://USER@HOST/DB          River in PostgreSQL; ?schema=NAME for a schema
  jetstream:nats://HOST                  NATS JetStream; ?name=NAME for another name, &creds=FILE for credentials

list, show, stats, pauses, audit, watch and the page only read. They need no permission to write, and the page changes entries
only with --write. Every change is recorded with --by and --reason: see aihooks inbox audit.`,
		Example: `  aihooks inbox stats --from inbox.db
  aihooks inbox list --from inbox.db --vendor workflux --text "connection refused"
  aihooks inbox retry --from inbox.db --type user.message --reason "the database is back"
  aihooks inbox --web --from inbox.db`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown inbox command %q: see aihooks inbox --help", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if !web {
				return c.Help()
			}
			a.queueOutput() // so that logging never blocks a request
			mode := boxes.Follow
			if write {
				mode = boxes.Change
			}
			return a.with(c.Context(), mode, func(box *boxes.Box) error {
				web, err := a.openWebServer(new(actorFlags).context(c.Context()), inboxsource.New(box, box.Title), func(string) bool { return write }, address, hosts)
				if err != nil {
					return err
				}
				web.show()
				a.notef("press Ctrl-C to stop")
				return web.serve()
			})
		},
	}
	addFromFlag(c, a)
	addWebFlags(c.Flags(), &web, &address, defaultInboxWeb, &hosts)
	c.Flags().BoolVar(&write, "write", false, "let visitors of the page change entries and pause callbacks")
	c.AddCommand(a.inboxListCommand(), a.inboxShowCommand(), a.inboxRetryCommand(), a.inboxDiscardCommand(), a.inboxStatsCommand(),
		a.inboxPauseCommand(), a.inboxResumeCommand(), a.inboxPausesCommand(), a.inboxAuditCommand(), a.inboxWatchCommand())
	return c
}

func addFromFlag(c *cobra.Command, a *app) {
	c.PersistentFlags().StringVar(&a.from, "from", "", "`address` of the inbox: "+boxes.Forms()+"; defaults to $"+inboxVariable)
}

// fromOrVariable returns the address of the inbox, or "".
func (a *app) fromOrVariable() string {
	if a.from != "" {
		return a.from
	}
	from, _ := a.Env(inboxVariable)
	return from
}

// with opens the inbox of --from, calls f, and closes the inbox.
func (a *app) with(ctx context.Context, mode boxes.Mode, f func(*boxes.Box) error) error {
	from := a.fromOrVariable()
	if from == "" {
		return usage("no inbox is named: set --from or %s to one of %s", inboxVariable, boxes.Forms())
	}
	box, err := boxes.Open(ctx, from, mode)
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
	f.StringVar(&o.filter.Text, "text", "", "select entries with this `text` in the delivery's id, its type, or its last reason or error")
	f.StringVar(&o.from, "since", "", "select entries received at this `time` or later: RFC 3339, or how long ago (1h30m)")
	f.StringVar(&o.until, "until", "", "select entries received before this `time`")
	completeVendor(c)
}

// get returns the filter, which is empty if no flag is set.
func (o *filterFlags) get() (inbox.Filter, error) {
	f := o.filter
	var err error
	if f.From, err = parseTime(o.from); err != nil {
		return f, usage("--since: %w", err)
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
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, inbox.ErrPurged):
		return errors.New("the delivery is done, and its body has been purged")
	case errors.Is(err, inbox.ErrNotFound):
		return errors.New("there is no such entry, or it is not a dead letter")
	default:
		return err
	}
}
