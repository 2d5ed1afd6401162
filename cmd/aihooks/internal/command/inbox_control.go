package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
)

// actorFlags are the flags of every command that changes an inbox.
type actorFlags struct{ actor inbox.Actor }

func (o *actorFlags) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&o.actor.By, "by", "", "`who` makes the change, for the audit; defaults to the user and the machine")
	c.Flags().StringVar(&o.actor.Reason, "reason", "", "`why`, for the audit")
}

// context returns a context for a change.
func (o *actorFlags) context(ctx context.Context) context.Context {
	actor := o.actor
	actor.By = cmp.Or(actor.By, thisUser())
	return inbox.WithActor(ctx, actor)
}

// thisUser returns the user and the machine.
func thisUser() string {
	who := "unknown user"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	host, _ := os.Hostname() // an empty name is left out
	return strings.TrimSuffix(who+"@"+host, "@")
}

func addScopeFlags(c *cobra.Command, s *inbox.Scope) {
	c.Flags().StringVar(&s.Vendor, "vendor", "", "the `vendor`")
	c.Flags().StringVar(&s.Endpoint, "endpoint", "", "the `endpoint`")
	c.Flags().StringVar(&s.Type, "type", "", "the `type` of the events")
	completeVendor(c)
}

func (a *app) inboxPauseCommand() *cobra.Command {
	var o actorFlags
	var s inbox.Scope
	c := &cobra.Command{
		Use:   "pause",
		Short: "Stop the callbacks of a vendor, an endpoint or a type",
		Long: `Pause stops the callbacks of a vendor, an endpoint or a type, in every process of the service. Deliveries are still stored and
get 200. They run after aihooks inbox resume. A running service notices within two seconds.`,
		Example: `  aihooks inbox pause --from inbox.db --vendor workflux --reason "the database moves"`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.setPause(c, s, func(box *boxes.Box) error { return box.Pause(o.context(c.Context()), s) }, "paused: deliveries are stored, and do not run")
		},
	}
	o.addFlags(c)
	addScopeFlags(c, &s)
	return c
}

func (a *app) inboxResumeCommand() *cobra.Command {
	var o actorFlags
	var s inbox.Scope
	c := &cobra.Command{
		Use:     "resume",
		Short:   "End a pause",
		Example: `  aihooks inbox resume --from inbox.db --vendor workflux`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.setPause(c, s, func(box *boxes.Box) error {
				err := box.Resume(o.context(c.Context()), s)
				if errors.Is(err, inbox.ErrNotFound) {
					return errors.New("exactly this is not paused: see aihooks inbox pauses")
				}
				return err
			}, "resumed: its deliveries run soon")
		},
	}
	o.addFlags(c)
	addScopeFlags(c, &s)
	return c
}

func (a *app) setPause(c *cobra.Command, s inbox.Scope, set func(*boxes.Box) error, done string) error {
	if s == (inbox.Scope{}) {
		return usage("nothing is selected: set --vendor, --endpoint or --type")
	}
	return a.with(c.Context(), boxes.Change, func(box *boxes.Box) error {
		if err := set(box); err != nil {
			return explainError(c.Context(), err)
		}
		if a.json {
			return a.writeJSON(s)
		}
		a.linef("%s is %s", nameOfScope(s), done)
		return nil
	})
}

// nameOfScope names what a pause selects.
func nameOfScope(s inbox.Scope) string {
	name := cmp.Or(s.Vendor, "*")
	if s.Endpoint != "" {
		name += "/" + s.Endpoint
	}
	if s.Type != "" {
		name += " " + s.Type
	}
	return printable(name)
}

func (a *app) inboxPausesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "pauses",
		Short:   "List what is paused",
		Example: `  aihooks inbox pauses --from inbox.db`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), boxes.Look, func(box *boxes.Box) error {
				pauses, err := box.Pauses(c.Context())
				switch {
				case err != nil:
					return explainError(c.Context(), err)
				case a.json:
					return a.writeJSON(pauses)
				case len(pauses) == 0:
					a.notef("nothing is paused")
				}
				a.showPauses(pauses)
				return nil
			})
		},
	}
}

func (a *app) showPauses(pauses []inbox.Pause) {
	for _, p := range pauses {
		a.linef("%s is paused since %s, by %s: %s", nameOfScope(p.Scope), p.At.Local().Format(time.RFC3339), printable(cmp.Or(p.By, "an unknown user")), printable(cmp.Or(p.Reason, "no reason")))
	}
}

func (a *app) inboxAuditCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "audit",
		Short:   "List who changed what and why, the newest first",
		Example: `  aihooks inbox audit --from inbox.db`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), boxes.Look, func(box *boxes.Box) error {
				changes, err := box.Audit(c.Context())
				if err != nil {
					return explainError(c.Context(), err)
				}
				if a.json {
					return a.writeJSON(changes)
				}
				var rows [][]string
				for _, change := range changes {
					rows = append(rows, []string{when(change.At), change.By, string(change.Action), strconv.Itoa(change.Entries), nameOfFilter(change.Filter), change.Reason})
				}
				if len(rows) == 0 {
					a.notef("nothing was changed")
					return nil
				}
				a.table([]string{"WHEN", "WHO", "WHAT", "ENTRIES", "FILTER", "WHY"}, rows)
				return nil
			})
		},
	}
}

// nameOfFilter names what an operation has selected.
func nameOfFilter(f inbox.Filter) string {
	var parts []string
	for _, part := range []struct{ name, value string }{
		{"state", string(f.State)}, {"id", f.ID}, {"vendor", f.Vendor}, {"endpoint", f.Endpoint}, {"type", f.Type}, {"text", f.Text},
		{"since", instant(f.From)}, {"until", instant(f.Until)},
	} {
		if part.value != "" {
			parts = append(parts, fmt.Sprintf("%s=%s", part.name, part.value))
		}
	}
	if f.All {
		parts = append(parts, "all")
	}
	return strings.Join(parts, " ")
}

func (a *app) inboxWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Print the new dead letters until Ctrl-C",
		Long: `Watch prints each dead letter that is new since the start, as aihooks inbox list does. It looks about once a second, at the
first 1000 that aihooks inbox list has. With --json, each line is an entry without its body.`,
		Example: `  aihooks inbox watch --from inbox.db --json | while read -r line; do notify "$line"; done`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), boxes.Follow, func(box *boxes.Box) error { return a.watch(c.Context(), box) })
		},
	}
}

// clocks is how much the clocks of this machine and of the service may differ.
const clocks = time.Minute

// watch prints new dead letters until ctx ends.
func (a *app) watch(ctx context.Context, box inbox.Operator) error {
	began := time.Now()
	var seen map[string]bool // nil before the first list
	for range inbox.Watch(ctx, box) {
		page, err := box.List(ctx, inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}, Limit: inbox.MaxLimit})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the user has ended it
		}
		if err != nil {
			a.notef("aihooks: %s", printable(err.Error())) // it continues when the engine is back
			continue
		}
		next := make(map[string]bool, len(page.Entries))
		for i := range page.Entries {
			e := &page.Entries[len(page.Entries)-1-i] // the oldest first
			id := e.ID + " " + e.Since.String()       // a retry that failed is new
			next[id] = true
			if seen == nil || seen[id] || e.Since.Before(began.Add(-clocks)) { // it may be here because a newer one has ended
				continue
			}
			if a.json {
				e.Delivery.Body = nil
				if err := a.writeJSON(e); err != nil {
					return err
				}
				continue
			}
			a.linef("%s", strings.Join([]string{when(e.Since), printable(e.ID), printable(e.Delivery.Vendor + "/" + e.Delivery.Endpoint), printable(e.Delivery.Type), printable(clip(e.LastError(), 120))}, "  "))
		}
		if seen == nil {
			a.notef("watching %d dead letters; press Ctrl-C to stop", len(next))
		}
		seen = next
	}
	return nil
}
