package command

import (
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
)

// everyState is the value of --state that selects all entries.
const everyState = "all"

var states = []string{string(inbox.DeadLettered), string(inbox.Pending), string(inbox.Running), string(inbox.Deferred), string(inbox.Done), everyState}

func (a *app) inboxListCommand() *cobra.Command {
	var o filterFlags
	var state string
	var q inbox.Query
	c := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters, or the entries of another state, the newest first",
		Long:  "List prints the entries of a state, without their bodies. `aihooks inbox show` prints a body.",
		Example: `  aihooks inbox list --from inbox.db
  aihooks inbox list --from inbox.db --state pending --vendor greenflash --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if !slices.Contains(states, state) {
				return usage("--state (%q) must be one of %v", state, states)
			}
			if q.Limit < 1 {
				return usage("--limit (%d) must be 1 or more", q.Limit)
			}
			if q.Filter, err = o.get(); err != nil {
				return err
			}
			if state != everyState {
				q.State = inbox.State(state)
			}
			return a.with(c.Context(), boxes.Look, func(box *boxes.Box) error { return a.list(c, box, q, state) })
		},
	}
	o.addFlags(c)
	c.Flags().StringVar(&state, "state", string(inbox.DeadLettered), "dead_lettered, pending, running, deferred, done or all")
	c.Flags().IntVar(&q.Limit, "limit", inbox.DefaultLimit, "maximum number of entries")
	c.Flags().StringVar(&q.Cursor, "cursor", "", "continue after an earlier list, at the `cursor` that it has printed")
	_ = c.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return states, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

func (a *app) list(c *cobra.Command, box *boxes.Box, q inbox.Query, state string) error {
	var rows [][]string
	header := []string{"ID", "ENDPOINT", "TYPE", "RECEIVED", "RUNS", "SINCE/DUE", "LAST ERROR"}
	if state == everyState {
		header = slices.Insert(header, 1, "STATE")
	}
	n := 0
	for left := q.Limit; ; {
		q.Limit = min(left, inbox.MaxLimit)
		page, err := box.List(c.Context(), q)
		if err != nil {
			return explainError(c.Context(), err)
		}
		for _, e := range page.Entries {
			if a.json {
				e.Delivery.Body = nil // a list has no bodies: omit it instead of printing an empty one
				if err := a.writeJSON(e); err != nil {
					return err
				}
				continue
			}
			row := []string{
				e.ID, e.Delivery.Vendor + "/" + e.Delivery.Endpoint, e.Delivery.Type, when(e.Delivery.ReceivedAt), strconv.Itoa(len(e.Attempts)), sinceOrDue(&e), clip(e.LastError(), 60),
			}
			if state == everyState {
				row = slices.Insert(row, 1, string(e.State))
			}
			rows = append(rows, row)
		}
		n, left, q.Cursor = n+len(page.Entries), left-len(page.Entries), page.Next
		if q.Cursor == "" || left == 0 {
			break
		}
	}
	if !a.json && n > 0 {
		a.table(header, rows)
	}
	switch {
	case q.Cursor != "":
		a.notef("only %d entries are listed, and there may be more: raise --limit, or add --cursor %s", n, q.Cursor)
	case n == 0 && state == everyState:
		a.notef("there is no such entry")
	case n == 0:
		a.notef("no such entry is %s", state)
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
		Use:   "show ID",
		Short: "Show an entry with its attempts and its body",
		Example: `  aihooks inbox show 17 --from inbox.db
  aihooks inbox show 17 --from inbox.db --body > body.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), boxes.Look, func(box *boxes.Box) error {
				e, err := box.Entry(c.Context(), args[0])
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
	a.linef("")
	a.linef("%s", e.Explanation())
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
