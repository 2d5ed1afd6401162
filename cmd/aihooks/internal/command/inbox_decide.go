package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
)

// An act is what an operator does with dead letters.
type act struct {
	past string // "retried"
	do   func(box *sqlite.Inbox, ctx context.Context, f inbox.Filter) (int, error)
}

var (
	retryAct   = act{"to be run again by the service", (*sqlite.Inbox).Retry}
	rerunAct   = act{"to be run again by the service, whatever became of them before", (*sqlite.Inbox).Rerun}
	discardAct = act{"discarded", (*sqlite.Inbox).Discard}
)

func (a *app) inboxRetryCommand() *cobra.Command {
	var o choice
	var all, rerun bool
	c := &cobra.Command{
		Use:   "retry FILE (ID... | --vendor ... | --all)",
		Short: "Have dead letters run again",
		Long: `Retry has dead letters run again, with all attempts before them, by the service. One that had completed after all is found to be
done and not run; --rerun runs it all the same.`,
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
	var all, yes bool
	c := &cobra.Command{
		Use:   "discard FILE (ID... | --vendor ... | --all)",
		Short: "End dead letters without running them",
		Long: `Discard ends dead letters without running them, and deletes their bodies. They cannot be brought back. Where they are not named by
their IDs, it asks first, or wants --yes.`,
		Example: `  aihooks inbox discard inbox.db 17
  aihooks inbox discard inbox.db --type integration.error --until 2026-11-01T00:00:00Z --yes`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && !yes && !a.confirm(c.Context(), "Discard all dead letters that are selected? They cannot be brought back. [y/N] ") {
				return errors.New("nothing was discarded: --yes is needed, or an answer")
			}
			return a.decide(c, args, &o, all, discardAct)
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&all, "all", false, "all dead letters")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
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

// decide does something with the dead letters that the command line selects.
func (a *app) decide(c *cobra.Command, args []string, o *choice, all bool, what act) error {
	f, err := o.get(c.Flags())
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
	return a.with(path, func(box *sqlite.Inbox) error {
		n := 0
		if len(ids) == 0 {
			if n, err = what.do(box, c.Context(), f); err != nil {
				return found(c.Context(), err)
			}
		}
		for _, id := range ids {
			one, err := what.do(box, c.Context(), inbox.Filter{ID: id})
			if err != nil {
				return fmt.Errorf("%s: %w", id, found(c.Context(), err))
			}
			n += one
		}
		if a.json {
			return a.writeJSON(map[string]int{"entries": n})
		}
		a.line("%d dead letters are %s", n, what.past)
		return nil
	})
}
