package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// A change selects deliveries by ids or by a filter.
type change struct {
	selection

	IDs      []string `json:"ids,omitempty" jsonschema:"the ids of the entries; otherwise a filter is needed"`
	Expected int      `json:"expected,omitempty" jsonschema:"with a filter: the number that count_deliveries has returned for it; with another number, nothing changes"`
	Reason   string   `json:"reason" jsonschema:"why, for the audit and for people"`
}

type retryInput struct {
	change

	Rerun bool `json:"rerun,omitempty" jsonschema:"run the callback even if it had handled the delivery; it may then take effect twice"`
}

func (s *server) retry(ctx context.Context, agent string, in retryInput) (string, error) {
	if in.Rerun {
		return s.change(ctx, agent, in.change, s.box.Rerun, "pending again, even if handled before")
	}
	return s.change(ctx, agent, in.change, s.box.Retry, "pending again")
}

func (s *server) discard(ctx context.Context, agent string, in change) (string, error) {
	return s.change(ctx, agent, in, s.box.Discard, "discarded")
}

// change does an operation with the entries that an agent has selected.
func (s *server) change(ctx context.Context, agent string, in change, do func(context.Context, inbox.Filter) (int, error), past string) (string, error) {
	if strings.TrimSpace(in.Reason) == "" {
		return "", refuse("reason must not be empty")
	}
	f, err := in.in(inbox.DeadLettered)
	if err != nil {
		return "", err
	}
	byFilter := engine.CheckFilter(f) == nil
	switch {
	case byFilter && len(in.IDs) > 0:
		return "", refuse("select deliveries by ids or by a filter, not both")
	case !byFilter && len(in.IDs) == 0:
		return "", refuse("nothing is selected: set ids, or a field of the filter")
	}
	filters := []inbox.Filter{f}
	if byFilter {
		n, err := inbox.Count(ctx, s.box, f)
		if err != nil {
			return "", err
		}
		if n != in.Expected {
			return "", refuse("nothing was changed: the filter selects %d dead letters, and expected is %d", n, in.Expected)
		}
	} else {
		filters = nil
		for _, id := range in.IDs {
			filters = append(filters, inbox.Filter{ID: id})
		}
	}
	ctx = inbox.WithActor(ctx, inbox.Actor{By: fmt.Sprintf("%s, for %s", agent, s.options.By), Reason: in.Reason})
	n := 0
	for _, one := range filters {
		some, err := do(ctx, one)
		n += some
		if err != nil {
			return "", refuse("%s; then %s failed: %v", deadLetters(n, past), one.ID, explainError(ctx, err))
		}
	}
	return deadLetters(n, past) + ".", nil
}

func deadLetters(n int, past string) string {
	if n == 1 {
		return "1 dead letter is " + past
	}
	return fmt.Sprintf("%d dead letters are %s", n, past)
}
