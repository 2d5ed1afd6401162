package engine

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// CheckFilter returns [inbox.ErrEmptyFilter] if the filter sets no field, or only State. It returns an error if State is
// not one of those that [inbox.Filter.State] allows.
func CheckFilter(f inbox.Filter) error {
	if f.State != "" && f.State != inbox.DeadLettered && f.State != inbox.Deferred {
		return fmt.Errorf("inbox: Filter.State (%q) must be empty, %q or %q", f.State, inbox.DeadLettered, inbox.Deferred)
	}
	f.State = ""
	if f.From.IsZero() && f.Until.IsZero() {
		f.From, f.Until = time.Time{}, time.Time{} // a zero time may have a location
	}
	if f == (inbox.Filter{}) {
		return inbox.ErrEmptyFilter
	}
	return nil
}

// ErrCursor is returned for a [inbox.Query] whose cursor is not from a page of this inbox.
var ErrCursor = errors.New("inbox: Query.Cursor must be empty, or the Next of a Page of this inbox")

// CheckQuery returns the query with its defaults. It returns an error if a field is out of range.
func CheckQuery(q inbox.Query) (inbox.Query, error) {
	switch q.State {
	case "", inbox.Pending, inbox.Running, inbox.Deferred, inbox.DeadLettered, inbox.Done:
	default:
		return q, fmt.Errorf("inbox: Filter.State (%q) must be empty or a State of package inbox", q.State)
	}
	if q.Limit < 0 || q.Limit > inbox.MaxLimit {
		return q, fmt.Errorf("inbox: Query.Limit (%d) must be from 0 to %d", q.Limit, inbox.MaxLimit)
	}
	q.Limit = cmp.Or(q.Limit, inbox.DefaultLimit)
	return q, nil
}

// Listed returns an entry as [inbox.Page] has it.
func Listed(e inbox.Entry) inbox.Entry {
	d := e.Delivery
	e.Delivery = &webhook.Delivery{Vendor: d.Vendor, Endpoint: d.Endpoint, Type: d.Type, ID: d.ID, ReceivedAt: d.ReceivedAt}
	if d.Body != nil {
		e.Delivery.Body = []byte{}
	}
	return e
}
