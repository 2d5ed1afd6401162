package page

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// ErrNotFound is wrapped by the error of [Source].Detail and Act when an item does not exist, or no longer exists.
var ErrNotFound = errors.New("there is no such delivery; it may have been removed")

// A Source provides the data of the page. Its methods must be safe for concurrent use. The page shows their errors.
type Source interface {
	// Overview returns the title of the page, and the number of items by verdict and by vendor.
	Overview(ctx context.Context) (Overview, error)

	// List returns the items that match a query, the newest first.
	List(ctx context.Context, q Query) (List, error)

	// Detail returns all data of an item.
	Detail(ctx context.Context, id string) (Detail, error)

	// Act performs one of [Item].Actions, and returns a sentence that says what it has done.
	Act(ctx context.Context, id, action string) (string, error)

	// Watch returns a channel that receives a value after a change. One value may report many changes. The channel is closed
	// after ctx has ended.
	Watch(ctx context.Context) <-chan struct{}
}

// A Tone classifies a verdict for the reader, and selects its colour.
type Tone string

// The tones.
const (
	Good Tone = "good" // success
	Warn Tone = "warn" // the delivery will come again, or cannot be handled here
	Bad  Tone = "bad"  // needs attention
	Idle Tone = "idle" // nothing has happened yet, or nothing was necessary
)

// An Overview is the header of the page.
type Overview struct {
	// Title names the source: the address of the listener, or the file of the inbox.
	Title string `json:"title"`

	// Hint is shown while there are no items, for example to suggest a command. Each line is a paragraph. Lines that begin
	// with "$ " are commands that can be copied.
	Hint string `json:"hint,omitempty"`

	// Verdicts and Vendors are the filters, in display order. A count may be zero.
	Verdicts []Count `json:"verdicts"`
	Vendors  []Count `json:"vendors"`
}

// A Count is the number of items of a verdict or a vendor.
type Count struct {
	Name string `json:"name"`
	Tone Tone   `json:"tone,omitempty"`
	N    int    `json:"n"`
}

// A Query selects items of a list. The zero value of a field selects all.
type Query struct {
	Vendor, Endpoint, Type, Verdict string

	// Text must be contained in the item's type, delivery, endpoint, reason or error. Case is ignored.
	Text string

	// Before is the Next of the previous list.
	Before string

	// Limit is the maximum number of items. The page always sets it.
	Limit int
}

// A List is a part of the items that match a [Query].
type List struct {
	Items []Item `json:"items"`

	// Next continues the list after Items, as [Query].Before. It is empty at the end. A list with a Next may have few or no
	// Items, because a source may read only a part at a time. The page then continues.
	Next string `json:"next,omitempty"`

	// ReadUntil is the time of arrival of the last item that was read, if the source has stopped before the end. Otherwise,
	// it is zero.
	ReadUntil time.Time `json:"read_until,omitzero"`
}

// An Item is a delivery in a list. Its texts may come from unauthenticated senders. The page shows them as text, and truncates
// long ones.
type Item struct {
	// ID identifies the item in the source.
	ID string `json:"id"`

	// Vendor, Endpoint, Type and Delivery describe the delivery, as the handler reports them. Delivery is its id. Fields of a
	// refused delivery may be empty.
	Vendor   string `json:"vendor,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Type     string `json:"type,omitempty"`
	Delivery string `json:"delivery,omitempty"`

	// At is the time of arrival.
	At time.Time `json:"at"`

	// Verdict is the outcome of the delivery, or the state of the entry of an inbox.
	Verdict string `json:"verdict"`
	Tone    Tone   `json:"tone"`

	// Status is the HTTP status of the response, or zero if it is unknown.
	Status int `json:"status,omitempty"`

	// Reason is the reason of the outcome. Explanation explains the verdict and what to do. Error is the callback's last error.
	Reason      string `json:"reason,omitempty"`
	Explanation string `json:"explanation,omitempty"`
	Error       string `json:"error,omitempty"`

	// Tries is the number of attempts, or zero if it is unknown.
	Tries int `json:"tries,omitempty"`

	// Actions are the available actions.
	Actions []Action `json:"actions,omitempty"`
}

// An Action is a button. The page has keys for the names "replay" (r), "retry" (r) and "discard" (d).
type Action struct {
	// Name is the name that [Source].Act gets.
	Name string `json:"name"`

	// Label is the text on the button.
	Label string `json:"label"`

	// Confirm, if set, is a question that the visitor must confirm before the action.
	Confirm string `json:"confirm,omitempty"`
}

// A Detail is all data of an item.
type Detail struct {
	Item

	// Method and URL are those of the request. If URL is set, the page can copy the request as a curl command; see [Curl].
	Method string
	URL    string

	// Header is the header of the request. It must not contain credentials, because the page shows all of it.
	Header http.Header

	// Body is the received body, byte for byte. Gone means that the body has been deleted.
	Body []byte
	Gone bool

	// Attempts are all attempts, the oldest first.
	Attempts []inbox.Attempt

	// Due is the earliest time of the next attempt. Since is when an item became dead-lettered or done.
	Due, Since time.Time

	// Facts are additional lines, such as the file of the delivery or the key that signed it.
	Facts []Fact
}

// A Fact is a line of a [Detail].
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Matches reports whether an item matches all filters.
func (q *Query) Matches(i *Item) bool {
	for _, filter := range [][2]string{{q.Vendor, i.Vendor}, {q.Endpoint, i.Endpoint}, {q.Type, i.Type}, {q.Verdict, i.Verdict}} {
		if filter[0] != "" && filter[0] != filter[1] {
			return false
		}
	}
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	for _, field := range []string{i.Type, i.Delivery, i.Endpoint, i.Reason, i.Error} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return false
}
