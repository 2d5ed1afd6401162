package command

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// An action is what an operator does with entries.
type action struct {
	verb  string      // "Discard"
	past  string      // follows a number of entries: "discarded"
	final bool        // it cannot be undone
	state inbox.State // of the entries; empty means dead letters
	do    func(box inbox.Operator, ctx context.Context, f inbox.Filter) (int, error)
}

var (
	retryAction   = action{verb: "Retry", past: "pending again, for the service to run", do: inbox.Operator.Retry}
	rerunAction   = action{verb: "Run", past: "pending again, for the service to run even if already handled", do: inbox.Operator.Rerun}
	discardAction = action{verb: "Discard", past: "discarded", final: true, do: inbox.Operator.Discard}
)

// decideFlags are the flags of retry and discard.
type decideFlags struct {
	filterFlags
	actorFlags

	all, yes, dryRun bool
}

func (o *decideFlags) addFlags(c *cobra.Command) {
	o.filterFlags.addFlags(c)
	o.actorFlags.addFlags(c)
	c.Flags().BoolVar(&o.all, "all", false, "select all dead letters")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask for confirmation")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "only print how many entries are selected")
}

func (a *app) inboxRetryCommand() *cobra.Command {
	var o decideFlags
	var rerun bool
	c := &cobra.Command{
		Use:   "retry (ID... | --vendor ... | --all)",
		Short: "Retry dead letters",
		Long: `Retry makes dead letters pending again, so that the service runs them with a new set of attempts. It keeps their earlier
attempts in the history. It also retries dead letters that failed permanently, or whose body did not fit the event's type. If you
select dead letters by flags instead of IDs, retry asks for confirmation, or needs --yes.

The service does not run a dead letter again if its callback completed it after all. --rerun runs it even then.`,
		Example: `  aihooks inbox retry 17 18 --from inbox.db
  aihooks inbox retry --from inbox.db --vendor workflux --since 24h --reason "the database is back"
  aihooks inbox retry --from inbox.db --text "connection refused" --dry-run`,
		RunE: func(c *cobra.Command, args []string) error {
			what := retryAction
			if rerun {
				what = rerunAction
			}
			return a.decide(c, args, &o, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&rerun, "rerun", false, "run them even if they were already handled: callbacks may run a second time")
	return c
}

func (a *app) inboxDiscardCommand() *cobra.Command {
	var o decideFlags
	var onlyDeferred bool
	c := &cobra.Command{
		Use:   "discard (ID... | --vendor ... | --all)",
		Short: "Discard dead letters without running them",
		Long: `Discard ends dead letters without running them, and deletes their bodies. This cannot be undone. If you select dead letters by
flags instead of IDs, discard asks for confirmation, or needs --yes. --deferred discards deliveries whose type has no callback, or
is paused, instead of dead letters.`,
		Example: `  aihooks inbox discard 17 --from inbox.db
  aihooks inbox discard --from inbox.db --type integration.error --until 2026-11-01T00:00:00Z --yes`,
		RunE: func(c *cobra.Command, args []string) error {
			what := discardAction
			if onlyDeferred {
				what.state = inbox.Deferred
			}
			return a.decide(c, args, &o, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&onlyDeferred, "deferred", false, "discard deferred deliveries instead of dead letters")
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
func (a *app) decide(c *cobra.Command, ids []string, o *decideFlags, what action) error {
	f, err := o.get()
	if err != nil {
		return err
	}
	f.All = o.all
	switch {
	case len(ids) > 0 && f != (inbox.Filter{}):
		return usage("select entries by IDs or by flags, not both")
	case len(ids) == 0 && engine.CheckFilter(f) != nil:
		return usage("no entries are selected: name IDs, or set --vendor, --endpoint, --type, --text, --since, --until or --all")
	case len(ids) > 0 && o.dryRun:
		return usage("--dry-run is for entries that are selected by flags")
	}
	f.State = what.state
	filters := []inbox.Filter{f}
	if len(ids) > 0 {
		filters = nil
		for _, id := range ids {
			filters = append(filters, inbox.Filter{ID: id, State: what.state})
		}
	}
	mode := boxes.Change
	if o.dryRun {
		mode = boxes.Look
	}
	return a.with(c.Context(), mode, func(box *boxes.Box) error {
		if len(ids) == 0 && (o.dryRun || !o.yes) {
			if more, err := a.preview(c.Context(), box, f, o, what); err != nil || !more {
				return err
			}
		}
		n := 0
		for _, one := range filters {
			some, err := what.do(box, o.context(c.Context()), one)
			n += some
			if err != nil {
				return decideError(c.Context(), one.ID, n, what, err)
			}
		}
		if a.json {
			return a.writeJSON(map[string]int{"entries": n})
		}
		a.linef("%s", done(n, what))
		return nil
	})
}

// decideError says which entry failed, and what was done before.
func decideError(ctx context.Context, id string, n int, what action, err error) error {
	err = explainError(ctx, err)
	if id != "" {
		err = fmt.Errorf("%s: %w", id, err)
	}
	if n > 0 {
		err = fmt.Errorf("%w; before that, %s", err, done(n, what))
	}
	return err
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
		return "deferred delivery"
	case what.state == inbox.Deferred:
		return "deferred deliveries"
	case n == 1:
		return "dead letter"
	default:
		return "dead letters"
	}
}

// preview counts the selected entries, and asks whether to go on. With --dry-run it only prints the number.
func (a *app) preview(ctx context.Context, box inbox.Operator, f inbox.Filter, o *decideFlags, what action) (goOn bool, err error) {
	f.State = cmp.Or(f.State, inbox.DeadLettered)
	n, err := inbox.Count(ctx, box, f)
	switch {
	case err != nil:
		return false, explainError(ctx, err)
	case o.dryRun && a.json:
		return false, a.writeJSON(map[string]int{"entries": n})
	case o.dryRun:
		a.linef("%d %s", n, what.noun(n))
		return false, nil
	}
	question := fmt.Sprintf("%s %d %s? ", what.verb, n, what.noun(n))
	if what.final {
		question += "This cannot be undone. "
	}
	if n > 0 && !a.confirm(ctx, question+"[y/N] ") {
		return false, fmt.Errorf("nothing was changed, and %d %s would be: confirm with y, or set --yes", n, what.noun(n))
	}
	return true, nil
}
