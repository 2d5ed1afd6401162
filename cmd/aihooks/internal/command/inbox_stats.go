package command

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
	"github.com/aihooks/aihooks-go/inbox"
)

// The recent deliveries that stats counts by type, and the minutes over which it averages.
const (
	recent      = time.Hour
	rateMinutes = 10
)

// statsView is the JSON of stats.
type statsView struct {
	inbox.Stats

	// Types has the deliveries of the last hour. Arrived, Done and DeadLettered are per minute, over the last ten.
	Types     map[string]inbox.Counts `json:"types"`
	PerMinute rates                   `json:"per_minute"`
	Pauses    []inbox.Pause           `json:"pauses"`
}

type rates struct {
	Arrived      float64 `json:"arrived"`
	Done         float64 `json:"done"`
	DeadLettered float64 `json:"dead_lettered"`
}

func (a *app) inboxStatsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Count the entries by state, endpoint and type",
		Long: `Stats counts all entries by state and endpoint, and the deliveries of the last hour by type. JetStream keeps nothing of
deliveries that are done, so they are missing there.`,
		Example: `  aihooks inbox stats --from inbox.db --json | jq .dead_lettered`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), boxes.Look, func(box *boxes.Box) error {
				view, err := statsOf(c, box)
				if err != nil {
					return explainError(c.Context(), err)
				}
				if a.json {
					return a.writeJSON(view)
				}
				a.showStats(view)
				return nil
			})
		},
	}
}

func statsOf(c *cobra.Command, box inbox.Operator) (view statsView, err error) {
	if view.Stats, err = box.Stats(c.Context()); err != nil {
		return view, err
	}
	if view.Pauses, err = box.Pauses(c.Context()); err != nil {
		return view, err
	}
	activity, err := inbox.Summarize(c.Context(), box, recent, time.Minute)
	if err != nil {
		return view, err
	}
	view.Types = activity.Types
	for _, step := range activity.Steps[len(activity.Steps)-rateMinutes:] {
		view.PerMinute.Arrived += float64(step.Arrived) / rateMinutes
		view.PerMinute.Done += float64(step.Done) / rateMinutes
		view.PerMinute.DeadLettered += float64(step.DeadLettered) / rateMinutes
	}
	return view, nil
}

func (a *app) showStats(view statsView) {
	header := []string{"PENDING", "RUNNING", "DEFERRED", "DEAD-LETTERED", "DONE"}
	table := func(name string, counts map[string]inbox.Counts, total *inbox.Counts) {
		var rows [][]string
		row := func(name string, n inbox.Counts) {
			rows = append(rows, []string{name, strconv.Itoa(n.Pending), strconv.Itoa(n.Running), strconv.Itoa(n.Deferred), strconv.Itoa(n.DeadLettered), strconv.Itoa(n.Done)})
		}
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			row(name, counts[name])
		}
		if total != nil {
			row("all", *total)
		}
		a.table(append([]string{name}, header...), rows)
	}
	table("ENDPOINT", view.Endpoints, &view.Counts)
	if len(view.Types) > 0 {
		a.linef("")
		table("TYPE, LAST HOUR", view.Types, nil)
	}
	a.linef("")
	a.linef("in the last %d minutes: %.1f arrived, %.1f done and %.1f dead-lettered a minute", rateMinutes, view.PerMinute.Arrived, view.PerMinute.Done, view.PerMinute.DeadLettered)
	if !view.Oldest.IsZero() {
		a.linef("the oldest due entry has been due for %s", time.Since(view.Oldest).Round(time.Second))
	}
	a.showPauses(view.Pauses)
}
