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
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

// An act is what an operator does with entries.
type act struct {
	past  string      // "discarded"
	ask   bool        // whether it is done to what was only selected
	state inbox.State // of the entries: dead letters if it is empty
	do    func(box *sqlite.Inbox, ctx context.Context, f inbox.Filter) (int, error)
}

var (
	retryAct   = act{past: "to be run again by the service", do: (*sqlite.Inbox).Retry}
	rerunAct   = act{past: "to be run again by the service, whatever became of them before", do: (*sqlite.Inbox).Rerun}
	discardAct = act{past: "discarded", do: (*sqlite.Inbox).Discard}
)

func (a *app) inboxRetryCommand() *cobra.Command {
	var o choice
	var all, rerun bool
	c := &cobra.Command{
		Use:   "retry FILE (ID... | --vendor ... | --all)",
		Short: "Have dead letters run again",
		Long: `Retry has dead letters run again, with all attempts before them, by the service: also those whose callback returned a permanent
failure, and those whose body did not fit. One whose callback had completed it after all is found to be done and not run;
--rerun runs it all the same.`,
		Example: `  aihooks inbox retry inbox.db 17 18
  aihooks inbox retry inbox.db --vendor workflux --from 24h
  aihooks inbox retry inbox.db --all`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			what := retryAct
			if rerun {
				what = rerunAct
			}
			return a.decide(c, args, &o, all, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "all dead letters")
	c.Flags().BoolVar(&rerun, "rerun", false, "run them whatever became of them before: callbacks may run a second time")
	return c
}

func (a *app) inboxDiscardCommand() *cobra.Command {
	var o choice
	var all, yes, waiting bool
	c := &cobra.Command{
		Use:   "discard FILE (ID... | --vendor ... | --all)",
		Short: "End dead letters without running them",
		Long: `Discard ends dead letters without running them, and deletes their bodies. They cannot be brought back. Where they are not named by
their IDs, it asks first, or wants --yes. With --waiting it does so with deliveries whose type has no callback.`,
		Example: `  aihooks inbox discard inbox.db 17
  aihooks inbox discard inbox.db --type integration.error --until 2026-11-01T00:00:00Z --yes`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			what := discardAct
			what.ask = !yes
			if waiting {
				what.state = inbox.Waiting
			}
			return a.decide(c, args, &o, all, what)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "all dead letters")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&waiting, "waiting", false, "deliveries whose type has no callback, in place of dead letters")
	return c
}

// confirm asks somebody who sits at a terminal.
func (a *app) confirm(ctx context.Context, question string) bool {
	if !isTerminal(a.In) || !isTerminal(a.Err) {
		return false
	}
	_, _ = fmt.Fprint(a.Err, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.In).ReadString('\n') // nothing is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		return line == "y" || line == "yes"
	case <-ctx.Done():
		return false
	}
}

// decide does something with the entries that the command line selects.
func (a *app) decide(c *cobra.Command, args []string, o *choice, all bool, what act) error {
	f, err := o.get()
	if err != nil {
		return err
	}
	path, ids := args[0], args[1:]
	f.All = all
	switch {
	case len(ids) > 0 && f != (inbox.Filter{}):
		return usage("name dead letters by their IDs, or select them, not both")
	case len(ids) == 0 && f.Check() != nil:
		return usage("which dead letters? Name their IDs, select them by --vendor, --endpoint, --type, --from or --until, or take --all")
	}
	f.State = what.state
	return a.with(path, func(box *sqlite.Inbox) error {
		n := 0
		if len(ids) == 0 {
			if what.ask {
				if err := a.ask(c.Context(), box, f, what); err != nil {
					return err
				}
			}
			if n, err = what.do(box, c.Context(), f); err != nil {
				return found(c.Context(), err)
			}
		}
		for _, id := range ids {
			one, err := what.do(box, c.Context(), inbox.Filter{ID: id, State: what.state})
			if err != nil {
				err = fmt.Errorf("%s: %w", id, found(c.Context(), err))
				if n > 0 {
					err = fmt.Errorf("%w; before it, %s", err, done(n, what))
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

func done(n int, what act) string {
	if n == 1 {
		return "1 " + what.noun(1) + " is " + what.past
	}
	return fmt.Sprintf("%d %s are %s", n, what.noun(n), what.past)
}

// noun is what n entries are called that it is done to.
func (what act) noun(n int) string {
	switch {
	case what.state == inbox.Waiting && n == 1:
		return "delivery without a callback"
	case what.state == inbox.Waiting:
		return "deliveries without a callback"
	case n == 1:
		return "dead letter"
	default:
		return "dead letters"
	}
}

// ask asks whether what is selected is to be discarded, and says how many that are.
func (a *app) ask(ctx context.Context, box *sqlite.Inbox, f inbox.Filter, what act) error {
	n := 0
	for _, err := range box.Entries(ctx, cmp.Or(f.State, inbox.Dead), f) {
		if err != nil {
			return found(ctx, err)
		}
		n++
	}
	if n > 0 && !a.confirm(ctx, fmt.Sprintf("%d %s are selected. Discard them? They cannot be brought back. [y/N] ", n, what.noun(n))) {
		return errors.New("nothing was discarded: --yes is needed, or an answer")
	}
	return nil
}
