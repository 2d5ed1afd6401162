package inbox

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Count returns how many entries a filter selects. An empty State selects every state.
func Count(ctx context.Context, o Operator, f Filter) (n int, err error) {
	for _, err := range each(ctx, o, Query{Filter: f, Limit: MaxLimit}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// each iterates over the entries of all pages of a query.
func each(ctx context.Context, o Operator, q Query) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for {
			page, err := o.List(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Entries {
				if !yield(&page.Entries[i], nil) {
					return
				}
			}
			if page.Next == "" || !page.ReadUntil.IsZero() && page.ReadUntil.Before(q.From) {
				return // the rest of the list is older
			}
			q.Cursor = page.Next
		}
	}
}

// maxSummarized is how many entries [Summarize] counts.
const maxSummarized = 20_000

// An Activity counts the deliveries that arrived within a period. Handled deliveries are missing as far as the engine
// keeps none: see [Operator.Stats].
type Activity struct {
	// Since is the beginning of the period, which ends now.
	Since time.Time `json:"since"`

	// Truncated reports that more deliveries arrived than were counted. The oldest are missing.
	Truncated bool `json:"truncated,omitempty"`

	// Steps are the parts of the period, the oldest first.
	Steps []Step `json:"steps"`

	// Types has the states of the deliveries for each "vendor/type".
	Types map[string]Counts `json:"types"`
}

// A Step is a part of an [Activity].
type Step struct {
	// At is when the step begins.
	At time.Time `json:"at"`

	// Arrived is the number of deliveries that arrived in the step. Done and DeadLettered are how many became so in it.
	Arrived      int `json:"arrived"`
	Done         int `json:"done"`
	DeadLettered int `json:"dead_lettered"`

	// Waiting is how many deliveries of the period had arrived by the end of the step, and were neither done nor dead
	// letters.
	Waiting int `json:"waiting"`
}

// Summarize counts the deliveries that have arrived within a period, in steps of equal length. Both must be positive. It
// lists these deliveries, at most 20,000.
func Summarize(ctx context.Context, o Operator, period, step time.Duration) (Activity, error) {
	if period <= 0 || step <= 0 {
		return Activity{}, fmt.Errorf("inbox: the period (%v) and the step (%v) of Summarize must be positive", period, step)
	}
	now := time.Now()
	a := Activity{Since: now.Add(-period).Truncate(step), Types: make(map[string]Counts)}
	for at := a.Since; at.Before(now); at = at.Add(step) {
		a.Steps = append(a.Steps, Step{At: at})
	}
	indexOf := func(t time.Time) int { return min(max(int(t.Sub(a.Since)/step), 0), len(a.Steps)-1) }
	read := 0
	for e, err := range each(ctx, o, Query{Filter: Filter{From: a.Since}, Limit: MaxLimit}) {
		if err != nil {
			return a, err
		}
		if read++; read > maxSummarized {
			a.Truncated = true
			break
		}
		arrived := indexOf(e.Delivery.ReceivedAt)
		a.Steps[arrived].Arrived++
		until := len(a.Steps)
		if !e.Since.IsZero() {
			until = max(indexOf(e.Since), arrived)
			if e.State == Done {
				a.Steps[until].Done++
			} else {
				a.Steps[until].DeadLettered++
			}
		}
		for i := arrived; i < until; i++ {
			a.Steps[i].Waiting++
		}
		name := e.Delivery.Vendor + "/" + e.Delivery.Type
		counts := a.Types[name]
		counts.Add(e.State, 1)
		a.Types[name] = counts
	}
	return a, nil
}
