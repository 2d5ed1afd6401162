package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// A filter selects deliveries of a state.
type filter struct {
	selection

	State string `json:"state,omitempty" jsonschema:"dead_lettered (the default), pending, running, deferred, done or all"`
}

// A selection selects deliveries. The texts describe its fields to an agent.
type selection struct {
	Vendor   string `json:"vendor,omitempty" jsonschema:"only this vendor, such as workflux"`
	Endpoint string `json:"endpoint,omitempty" jsonschema:"only this endpoint, such as default"`
	Type     string `json:"type,omitempty" jsonschema:"only this type of event"`
	Text     string `json:"text,omitempty" jsonschema:"only with this text in the delivery's id, its type, its endpoint, or its last reason or error"`
	Since    string `json:"since,omitempty" jsonschema:"only received at this time or later: RFC 3339, or how long ago, such as 1h30m"`
	Until    string `json:"until,omitempty" jsonschema:"only received before this time"`
}

var states = []inbox.State{inbox.DeadLettered, inbox.Pending, inbox.Running, inbox.Deferred, inbox.Done}

// get returns the filter of the inbox. Its State is empty for all states.
func (f *filter) get() (got inbox.Filter, err error) {
	state := inbox.State(f.State)
	switch {
	case f.State == "":
		state = inbox.DeadLettered
	case f.State == "all":
		state = ""
	case !slices.Contains(states, state):
		return got, refuse("state must be all or one of %v", states)
	}
	return f.in(state)
}

// in returns the filter of the inbox for a state.
func (s *selection) in(state inbox.State) (got inbox.Filter, err error) {
	got = inbox.Filter{State: state, Vendor: s.Vendor, Endpoint: s.Endpoint, Type: s.Type, Text: s.Text}
	if got.From, err = timeOf("since", s.Since); err != nil {
		return got, err
	}
	got.Until, err = timeOf("until", s.Until)
	return got, err
}

func timeOf(field, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, refuse("%s must be RFC 3339, or a duration such as 1h30m", field)
	}
	return t, nil
}

// A summary is an entry in a list.
type summary struct {
	ID        string      `json:"id"`
	State     inbox.State `json:"state"`
	Vendor    string      `json:"vendor"`
	Endpoint  string      `json:"endpoint"`
	Type      string      `json:"type"`
	Delivery  string      `json:"delivery"`
	Received  time.Time   `json:"received"`
	Since     time.Time   `json:"since,omitzero"`
	Due       time.Time   `json:"due,omitzero"`
	Attempts  int         `json:"attempts"`
	LastError string      `json:"last_error,omitempty"`
}

func summaryOf(e *inbox.Entry) summary {
	d := e.Delivery
	return summary{e.ID, e.State, d.Vendor, d.Endpoint, clip(d.Type), clip(d.ID), d.ReceivedAt, e.Since, e.Due, len(e.Attempts), clip(e.LastError())}
}

// clip shortens a text for a list. show_delivery has the full text.
func clip(s string) string {
	const longest = 300
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// fitting returns the first entries whose summaries fit into one fence. It returns at least one entry, if there is one.
func fitting(entries []inbox.Entry) []inbox.Entry {
	size := 0
	for i := range entries {
		text, _ := json.Marshal(summaryOf(&entries[i])) //nolint:errchkjson // fencedJSON reports the error
		if size += len(text) + 1; size > maxFenced {
			return entries[:max(i, 1)]
		}
	}
	return entries
}

func summariesOf(entries []inbox.Entry) []summary {
	list := make([]summary, len(entries))
	for i := range entries {
		list[i] = summaryOf(&entries[i])
	}
	return list
}

type listInput struct {
	filter

	Limit  int    `json:"limit,omitempty" jsonschema:"the highest number of deliveries, 20 by default and at most 100"`
	Cursor string `json:"cursor,omitempty" jsonschema:"the cursor of the previous result, to continue it"`
}

func (s *server) list(ctx context.Context, _ string, in listInput) (string, error) {
	f, err := in.get()
	if err != nil {
		return "", err
	}
	if in.Limit == 0 {
		in.Limit = 20
	}
	if in.Limit < 1 || in.Limit > 100 {
		return "", refuse("limit must be from 1 to 100")
	}
	q := inbox.Query{Filter: f, Cursor: in.Cursor, Limit: in.Limit}
	page, err := s.box.List(ctx, q)
	if n := len(fitting(page.Entries)); err == nil && n < len(page.Entries) {
		q.Limit = n // otherwise the cursor would skip what is cut off
		page, err = s.box.List(ctx, q)
	}
	if err != nil {
		return "", err
	}
	text, err := fencedJSON(fmt.Sprintf("%d deliveries. The text", len(page.Entries)), summariesOf(page.Entries))
	if page.Next != "" {
		text += "\nThere may be more: continue with the cursor " + page.Next
	}
	return text, err
}

type idInput struct {
	ID string `json:"id" jsonschema:"the id of the entry, as list_deliveries has it"`
}

func (s *server) show(ctx context.Context, _ string, in idInput) (string, error) {
	e, err := s.box.Entry(ctx, in.ID)
	if err != nil {
		return "", err
	}
	body := e.Delivery.Body
	e.Delivery.Body = nil
	entry, err := fencedJSON("The entry", []inbox.Entry{e})
	switch {
	case err != nil:
		return "", err
	case body == nil:
		return entry + "\nThe body has been deleted.", nil
	default:
		return entry + "\n\n" + fenced(fmt.Sprintf("The body of %d bytes", len(body)), string(body)), nil
	}
}

func (s *server) explain(ctx context.Context, _ string, in idInput) (string, error) {
	e, err := s.box.Entry(ctx, in.ID)
	if err != nil {
		return "", err
	}
	lines := []string{fmt.Sprintf("The delivery is %s, and was received %s ago. %s", e.State, time.Since(e.Delivery.ReceivedAt).Round(time.Second), e.Explanation())}
	for _, a := range e.Attempts {
		counted := ""
		if !a.Counted {
			counted = ", which does not count"
		}
		lines = append(lines, fmt.Sprintf("%s: an attempt of %s ended as %s %s%s", a.At.UTC().Format(time.RFC3339), a.Took.Round(time.Millisecond), a.Outcome, a.Reason, counted))
	}
	if text := e.LastError(); text != "" {
		lines = append(lines, fenced("The last error", text))
	}
	return strings.Join(lines, "\n"), nil
}

func (s *server) count(ctx context.Context, _ string, in filter) (string, error) {
	f, err := in.get()
	if err != nil {
		return "", err
	}
	n, err := inbox.Count(ctx, s.box, f)
	return fmt.Sprintf("The filter selects %d deliveries.", n), err
}

type noInput struct{}

func (s *server) stats(ctx context.Context, _ string, _ noInput) (string, error) {
	stats, err := s.box.Stats(ctx)
	if err != nil {
		return "", err
	}
	pauses, err := s.box.Pauses(ctx)
	if err != nil {
		return "", err
	}
	activity, err := inbox.Summarize(ctx, s.box, time.Hour, time.Minute)
	if err != nil {
		return "", err
	}
	oldest := "No entry is due."
	if !stats.Oldest.IsZero() {
		oldest = fmt.Sprintf("The oldest due entry has been due for %s.", time.Since(stats.Oldest).Round(time.Second))
	}
	types, err := fencedJSON("The endpoints, the types of the deliveries of the last hour, and what is paused", []any{
		map[string]any{"endpoints": stats.Endpoints}, map[string]any{"types": activity.Types}, map[string]any{"pauses": pauses},
	})
	counts := stats.Counts
	return fmt.Sprintf("pending %d, running %d, deferred %d, dead_lettered %d, done %d. %s\n%s", counts.Pending, counts.Running, counts.Deferred, counts.DeadLettered, counts.Done, oldest, types), err
}
