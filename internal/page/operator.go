package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// An OperatorSource is a [Source] that shows an inbox. Its page also changes many entries at once, pauses callbacks and draws the
// activity of the last hours.
type OperatorSource interface {
	Source

	// Operator returns the inbox.
	Operator() inbox.Operator

	// Filter returns the filter of a query. The page sets its State itself.
	Filter(q Query) inbox.Filter

	// Item returns an entry as an item of the page.
	Item(e *inbox.Entry) Item
}

const (
	previewed  = 5                // entries in the preview of a change
	period     = 6 * time.Hour    // of the activity
	step       = 5 * time.Minute  // of the activity
	activityIn = 30 * time.Second // the activity is summarized at most once in this time
)

// An operations serves what only the page of an [OperatorSource] has.
type operations struct {
	*server
	source OperatorSource
	box    inbox.Operator

	mu       sync.Mutex // protects the fields below; one request summarizes while others wait
	at       time.Time
	activity inbox.Activity
	err      error
}

func (s *server) mountOperations(source OperatorSource) {
	o := &operations{server: s, source: source, box: source.Operator()}
	s.operations = o
	s.mux.HandleFunc("GET /api/preview", o.preview)
	s.mux.HandleFunc("POST /api/all/{action}", o.actOnAll)
	s.mux.HandleFunc("GET /api/pauses", o.pauses)
	s.mux.HandleFunc("POST /api/pause", o.pause)
	s.mux.HandleFunc("POST /api/resume", o.resume)
	s.mux.HandleFunc("GET /api/activity", o.summary)
}

// An operatorView is the part of an overview that only the page of an [OperatorSource] has.
type operatorView struct {
	May    []inbox.Action `json:"may"`
	Paused int            `json:"paused"`
}

var allActions = []inbox.Action{inbox.ActionRetry, inbox.ActionRerun, inbox.ActionDiscard, inbox.ActionPause, inbox.ActionResume}

func (o *operations) view(r *http.Request) (*operatorView, error) {
	pauses, err := o.box.Pauses(r.Context())
	return &operatorView{May: o.mayOf(r, allActions), Paused: len(pauses)}, err
}

func (o *operations) mayOf(r *http.Request, actions []inbox.Action) []inbox.Action {
	may := []inbox.Action{} // [], not null
	for _, a := range actions {
		if o.may(r, string(a)) {
			may = append(may, a)
		}
	}
	return may
}

// An allForm is a confirmed change of all entries that a query selects.
type allForm struct {
	Vendor, Endpoint, Type, Verdict, Text, Reason string

	// Until and Count are those of the preview.
	Until time.Time
	Count int
}

// filter returns the filter of a change, and the actions that the state of its entries allows.
func (o *operations) filter(q Query, until time.Time) (inbox.Filter, []inbox.Action, error) {
	f := o.source.Filter(q)
	f.Until = until
	switch f.State {
	case "", inbox.DeadLettered:
		f.State = inbox.DeadLettered
		return f, allActions[:3], nil
	case inbox.Deferred:
		return f, []inbox.Action{inbox.ActionDiscard}, nil
	default:
		return f, nil, errors.New("only dead letters and deferred deliveries can be changed: choose one of these states, or all")
	}
}

// preview responds with the number of entries that a query selects for a change, and the newest of them.
func (o *operations) preview(w http.ResponseWriter, r *http.Request) {
	until := time.Now()
	f, actions, err := o.filter(queryOf(r), until)
	if err != nil {
		o.failWith(w, r, http.StatusConflict, err)
		return
	}
	n, err := inbox.Count(r.Context(), o.box, f)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	first, err := o.newest(r.Context(), f)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	o.respond(w, r, struct {
		State   inbox.State    `json:"state"`
		Count   int            `json:"count"`
		Until   time.Time      `json:"until"`
		First   []Item         `json:"first"`
		Actions []inbox.Action `json:"actions"`
	}{f.State, n, until, first, o.mayOf(r, actions)})
}

func (o *operations) newest(ctx context.Context, f inbox.Filter) ([]Item, error) {
	items := []Item{} // [], not null
	for q := (inbox.Query{Filter: f, Limit: previewed}); ; {
		page, err := o.box.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Entries {
			if len(items) == previewed {
				return items, nil
			}
			item := o.source.Item(&page.Entries[i])
			shorten(&item, maxInList)
			items = append(items, item)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return items, nil
		}
	}
}

// actOnAll changes all entries of a preview. If the filter selects more than the visitor has confirmed, it changes none.
func (o *operations) actOnAll(w http.ResponseWriter, r *http.Request) {
	action := inbox.Action(r.PathValue("action"))
	var form allForm
	ctx, ok := o.begin(w, r, string(action), &form, &form.Reason)
	if !ok {
		return
	}
	f, actions, err := o.filter(Query{Vendor: form.Vendor, Endpoint: form.Endpoint, Type: form.Type, Verdict: form.Verdict, Text: form.Text}, form.Until)
	if err == nil && form.Until.IsZero() {
		err = errors.New("the time of the preview is missing")
	}
	do, done := o.operation(actions, action)
	if err == nil && do == nil {
		err = fmt.Errorf("%q is not available for these entries", action)
	}
	if err != nil {
		o.failWith(w, r, http.StatusConflict, err)
		return
	}
	ctx = context.WithoutCancel(ctx) // the change is confirmed, also if the visitor leaves now
	// The change may take longer than the server's WriteTimeout. An error means that there is no deadline.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	n, err := inbox.Count(ctx, o.box, f)
	if err == nil && n > form.Count {
		err = fmt.Errorf("nothing was changed: there are now %d entries instead of %d, so look at them again", n, form.Count)
	}
	if err == nil {
		n, err = do(ctx, f)
		if err != nil && n > 0 {
			err = fmt.Errorf("%s changed, and then: %w", entries(n), err)
		}
	}
	if err != nil {
		o.fail(w, r, err)
		return
	}
	o.respond(w, r, map[string]string{"message": fmt.Sprintf(done, entries(n))})
}

func entries(n int) string {
	if n == 1 {
		return "1 entry was"
	}
	return fmt.Sprintf("%d entries were", n)
}

func (o *operations) operation(actions []inbox.Action, action inbox.Action) (do func(context.Context, inbox.Filter) (int, error), done string) {
	for _, a := range actions {
		switch {
		case a != action:
		case a == inbox.ActionRetry:
			return o.box.Retry, "%s made pending again. The service runs them soon."
		case a == inbox.ActionRerun:
			return o.box.Rerun, "%s made pending again, and run even if they were already handled."
		default:
			return o.box.Discard, "%s discarded."
		}
	}
	return nil, ""
}

func (o *operations) pauses(w http.ResponseWriter, r *http.Request) {
	pauses, err := o.box.Pauses(r.Context())
	if err != nil {
		o.fail(w, r, err)
		return
	}
	if pauses == nil {
		pauses = []inbox.Pause{} // [], not null
	}
	o.respond(w, r, map[string]any{"pauses": pauses})
}

// A pauseForm is the scope of a pause to set or to end.
type pauseForm struct {
	inbox.Scope

	Reason string
}

func (o *operations) pause(w http.ResponseWriter, r *http.Request) {
	o.setPause(w, r, inbox.ActionPause, o.box.Pause, "The callbacks are paused. Deliveries are still stored.")
}

func (o *operations) resume(w http.ResponseWriter, r *http.Request) {
	o.setPause(w, r, inbox.ActionResume, o.box.Resume, "The callbacks are resumed. Deferred deliveries run soon.")
}

func (o *operations) setPause(w http.ResponseWriter, r *http.Request, a inbox.Action, set func(context.Context, inbox.Scope) error, done string) {
	var form pauseForm
	ctx, ok := o.begin(w, r, string(a), &form, &form.Reason)
	if !ok {
		return
	}
	err := set(ctx, inbox.Scope{Vendor: strings.TrimSpace(form.Vendor), Endpoint: strings.TrimSpace(form.Endpoint), Type: strings.TrimSpace(form.Type)})
	switch {
	case errors.Is(err, inbox.ErrEmptyScope):
		o.failWith(w, r, http.StatusConflict, errors.New("choose a vendor, an endpoint or a type"))
	case errors.Is(err, inbox.ErrNotFound):
		o.failWith(w, r, http.StatusConflict, errors.New("exactly this is not paused any more"))
	case err != nil:
		o.fail(w, r, err)
	default:
		o.respond(w, r, map[string]string{"message": done})
	}
}

// summary responds with the activity of the last hours. All visitors share it.
func (o *operations) summary(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) >= activityIn {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), activityIn)
		defer cancel()
		o.activity, o.err = inbox.Summarize(ctx, o.box, period, step)
		o.activity.Types = nil // may be large, and the chart does not have them
		o.at = time.Now()
	}
	if o.err != nil {
		o.fail(w, r, o.err)
		return
	}
	o.respond(w, r, o.activity)
}
