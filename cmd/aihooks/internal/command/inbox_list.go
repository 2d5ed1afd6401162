package command

import (
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

var states = []string{string(inbox.DeadLettered), string(inbox.Pending), string(inbox.Running), string(inbox.Deferred), string(inbox.Done)}

func (a *app) inboxListCommand() *cobra.Command {
	var o filterFlags
	var state string
	var limit int
	c := &cobra.Command{
		Use:   "list FILE",
		Short: "List the dead letters, or the entries of another state",
		Long:  "List prints the entries of one state, without their bodies. `aihooks inbox show` prints a body.",
		Example: `  aihooks inbox list inbox.db
  aihooks inbox list inbox.db --state pending --vendor greenflash --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(states, state) {
				return usage("--state (%q) must be one of %v", state, states)
			}
			if limit < 1 {
				return usage("--limit (%d) must be 1 or more", limit)
			}
			f, err := o.get()
			if err != nil {
				return err
			}
			f.All = true
			return a.with(args[0], func(box *sqliteinbox.Inbox) error {
				return a.list(c, box, inbox.State(state), f, limit)
			})
		},
	}
	o.addFlags(c)
	c.Flags().StringVar(&state, "state", string(inbox.DeadLettered), "dead_lettered, pending, running, deferred or done")
	c.Flags().IntVar(&limit, "limit", 100, "maximum number of entries")
	_ = c.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return states, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

func (a *app) list(c *cobra.Command, box *sqliteinbox.Inbox, state inbox.State, f inbox.Filter, limit int) error {
	var rows [][]string
	n, more := 0, false
	for e, err := range box.Entries(c.Context(), state, f) {
		if err != nil {
			return explainError(c.Context(), err)
		}
		if n == limit {
			more = true
			break
		}
		n++
		if a.json {
			e.Delivery.Body = nil // Entries reads no bodies: omit it instead of printing an empty one
			if err := a.writeJSON(e); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{
			e.ID, e.Delivery.Vendor + "/" + e.Delivery.Endpoint, e.Delivery.Type, when(e.Delivery.ReceivedAt), strconv.Itoa(len(e.Attempts)), sinceOrDue(&e), clip(e.LastError(), 60),
		})
	}
	if !a.json {
		if n == 0 {
			a.notef("no entry is %s", state)
			return nil
		}
		a.table([]string{"ID", "ENDPOINT", "TYPE", "RECEIVED", "RUNS", "SINCE/DUE", "LAST ERROR"}, rows)
	}
	if more {
		a.notef("only %d entries are listed, and there are more: raise --limit", limit)
	}
	return nil
}

// sinceOrDue formats the time since which an entry has its state, or else the time at which it is due.
func sinceOrDue(e *inbox.Entry) string {
	if !e.Since.IsZero() {
		return when(e.Since)
	}
	return when(e.Due)
}

func (a *app) inboxShowCommand() *cobra.Command {
	var body bool
	c := &cobra.Command{
		Use:   "show FILE ID",
		Short: "Show an entry with its attempts and its body",
		Example: `  aihooks inbox show inbox.db 17
  aihooks inbox show inbox.db 17 --body > body.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(args[0], func(box *sqliteinbox.Inbox) error {
				e, err := box.Entry(c.Context(), args[1])
				if err != nil {
					return explainError(c.Context(), err)
				}
				switch {
				case body:
					_, err := a.Out.Write(e.Delivery.Body)
					return err
				case a.json:
					return a.writeJSON(e)
				default:
					a.showEntry(&e)
					return nil
				}
			})
		},
	}
	c.Flags().BoolVar(&body, "body", false, "print only the body, byte for byte")
	return c
}

func (a *app) showEntry(e *inbox.Entry) {
	d := e.Delivery
	for _, field := range [][2]string{
		{"id", e.ID}, {"state", string(e.State)}, {"vendor", d.Vendor}, {"endpoint", d.Endpoint}, {"type", d.Type}, {"delivery", d.ID},
		{"received", d.ReceivedAt.Local().Format(time.RFC3339)}, {"due", instant(e.Due)}, {"since", instant(e.Since)}, {"signed by", d.SignedBy},
	} {
		if field[1] != "" {
			a.linef("%-10s %s", field[0], printable(field[1]))
		}
	}
	if len(e.Attempts) > 0 {
		a.linef("")
		var rows [][]string
		for _, t := range e.Attempts {
			rows = append(rows, []string{when(t.At), took(t.Took), string(t.Outcome), string(t.Reason), t.Error})
		}
		a.table([]string{"ATTEMPT", "TOOK", "OUTCOME", "REASON", "ERROR"}, rows)
	}
	a.linef("")
	if d.Body == nil {
		a.linef("The body has been deleted.")
		return
	}
	a.linef("%s", pretty(d.Body))
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.RFC3339)
}

func (a *app) inboxStatsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "stats FILE",
		Short:   "Count the entries by state and endpoint",
		Example: `  aihooks inbox stats inbox.db --json | jq .dead_lettered`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(args[0], func(box *sqliteinbox.Inbox) error {
				stats, err := box.Stats(c.Context())
				if err != nil {
					return explainError(c.Context(), err)
				}
				if a.json {
					return a.writeJSON(stats)
				}
				var rows [][]string
				row := func(name string, n inbox.Counts) {
					rows = append(rows, []string{name, strconv.Itoa(n.Pending), strconv.Itoa(n.Running), strconv.Itoa(n.Deferred), strconv.Itoa(n.DeadLettered), strconv.Itoa(n.Done)})
				}
				names := make([]string, 0, len(stats.Endpoints))
				for name := range stats.Endpoints {
					names = append(names, name)
				}
				slices.Sort(names)
				for _, name := range names {
					row(name, stats.Endpoints[name])
				}
				row("all", stats.Counts)
				a.table([]string{"ENDPOINT", "PENDING", "RUNNING", "DEFERRED", "DEAD-LETTERED", "DONE"}, rows)
				if !stats.Oldest.IsZero() {
					a.linef("the oldest due entry has been due for %s", time.Since(stats.Oldest).Round(time.Second))
				}
				return nil
			})
		},
	}
}
