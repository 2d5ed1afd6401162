package command

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// An action is what an operator does with entries.
type action struct {
	past  string      // follows a number of entries: "discarded"
	ask   bool        // ask before acting on entries that are selected by flags
	state inbox.State // of the entries; empty means dead letters
	do    func(box *sqliteinbox.Inbox, ctx context.Context, f inbox.Filter) (int, error)
}

var (
	retryAction   = action{past: "pending again, for the service to run", do: (*sqliteinbox.Inbox).Retry}
	rerunAction   = action{past: "pending again, for the service to run even if already handled", do: (*sqliteinbox.Inbox).Rerun}
	discardAction = action{past: "discarded", do: (*sqliteinbox.Inbox).Discard}
)

func (a *app) inboxRetryCommand() *cobra.Command {
	var o filterFlags
	var all, rerun bool
	c := &cobra.Command{
		Use:   "retry FILE (ID... | --vendor ... | --all)",
		Short: "Retry dead letters",
		Long: `Retry makes dead letters pending again, so that the service runs them with a new set of attempts. It keeps their earlier
attempts in the history. It also retries dead letters that failed permanently, or whose body did not fit the event's type.

The service does not run a dead letter again if its callback completed it after all. --rerun runs it even then.`,
		Example: `  aihooks inbox retry inbox.db 17 18
  aihooks inbox retry inbox.db --vendor workflux --from 24h
  aihooks inbox retry inbox.db --all`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			what := retryAction
			if rerun {
				what = rerunAction
			}
			return a.decide(c, args, &o, all, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "select all dead letters")
	c.Flags().BoolVar(&rerun, "rerun", false, "run them even if they were already handled: callbacks may run a second time")
	return c
}

func (a *app) inboxDiscardCommand() *cobra.Command {
	var o filterFlags
	var all, yes, onlyDeferred bool
	c := &cobra.Command{
		Use:   "discard FILE (ID... | --vendor ... | --all)",
		Short: "Discard dead letters without running them",
		Long: `Discard ends dead letters without running them, and deletes their bodies. This cannot be undone. If you select dead letters by
flags instead of IDs, discard asks for confirmation, or needs --yes. --deferred discards deliveries whose type has no callback
instead of dead letters.`,
		Example: `  aihooks inbox discard inbox.db 17
  aihooks inbox discard inbox.db --type integration.error --until 2026-11-01T00:00:00Z --yes`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			what := discardAction
			what.ask = !yes
			if onlyDeferred {
				what.state = inbox.Deferred
			}
			return a.decide(c, args, &o, all, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "select all dead letters")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask for confirmation")
	c.Flags().BoolVar(&onlyDeferred, "deferred", false, "discard deliveries whose type has no callback, instead of dead letters")
	return c
}

// confirm asks a question at a terminal, and reports whether the answer is yes. Without a terminal, it returns false.
func (a *app) confirm(ctx context.Context, question string) bool {
	if !isTerminal(a.In) || !isTerminal(a.Err) {
		return false
	}
	_, _ = fmt.Fprint(a.Err, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.In).ReadString('\n') // an error counts as no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		return line == "y" || line == "yes"
	case <-ctx.Done():
		return false
	}
}

// decide does what to the entries that the command line selects.
func (a *app) decide(c *cobra.Command, args []string, o *filterFlags, all bool, what action) error {
	f, err := o.get()
	if err != nil {
		return err
	}
	path, ids := args[0], args[1:]
	f.All = all
	switch {
	case len(ids) > 0 && f != (inbox.Filter{}):
		return usage("select entries by IDs or by flags, not both")
	case len(ids) == 0 && engine.CheckFilter(f) != nil:
		return usage("no entries are selected: name IDs, or set --vendor, --endpoint, --type, --from, --until or --all")
	}
	f.State = what.state
	return a.with(path, func(box *sqliteinbox.Inbox) error {
		n := 0
		if len(ids) == 0 {
			if what.ask {
				if err := a.ask(c.Context(), box, f, what); err != nil {
					return err
				}
			}
			if n, err = what.do(box, c.Context(), f); err != nil {
				return explainError(c.Context(), err)
			}
		}
		for _, id := range ids {
			one, err := what.do(box, c.Context(), inbox.Filter{ID: id, State: what.state})
			if err != nil {
				err = fmt.Errorf("%s: %w", id, explainError(c.Context(), err))
				if n > 0 {
					err = fmt.Errorf("%w; before that, %s", err, done(n, what))
				}
				return err
			}
			n += one
		}
		if a.json {
			return a.writeJSON(map[string]int{"entries": n})
		}
		a.linef("%s", done(n, what))
		return nil
	})
}

func done(n int, what action) string {
	if n == 1 {
		return "1 " + what.noun(1) + " is " + what.past
	}
	return fmt.Sprintf("%d %s are %s", n, what.noun(n), what.past)
}

// noun names n entries that the action applies to.
func (what action) noun(n int) string {
	switch {
	case what.state == inbox.Deferred && n == 1:
		return "delivery without a callback"
	case what.state == inbox.Deferred:
		return "deliveries without a callback"
	case n == 1:
		return "dead letter"
	default:
		return "dead letters"
	}
}

// ask counts the selected entries, and asks whether to discard them.
func (a *app) ask(ctx context.Context, box *sqliteinbox.Inbox, f inbox.Filter, what action) error {
	n := 0
	for _, err := range box.Entries(ctx, cmp.Or(f.State, inbox.DeadLettered), f) {
		if err != nil {
			return explainError(ctx, err)
		}
		n++
	}
	if n > 0 && !a.confirm(ctx, fmt.Sprintf("Discard %d %s? This cannot be undone. [y/N] ", n, what.noun(n))) {
		return errors.New("nothing was discarded: confirm with y, or set --yes")
	}
	return nil
}
