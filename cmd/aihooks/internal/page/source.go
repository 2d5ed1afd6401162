package page

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// ErrNotFound is what the error of [Source].Detail and Act wraps when there is no such item, or no longer.
var ErrNotFound = errors.New("no such delivery; it may have been removed meanwhile")

// A Source has what the page shows. All methods are called concurrently. What their errors say is shown on the page.
type Source interface {
	// Overview says what the page is about, and how many items there are of which kind.
	Overview(ctx context.Context) (Overview, error)

	// List returns items, the newest first.
	List(ctx context.Context, q Query) (List, error)

	// Detail returns all there is about an item.
	Detail(ctx context.Context, id string) (Detail, error)

	// Act does what [Item].Actions offered, and returns a sentence that says what was done.
	Act(ctx context.Context, id, action string) (string, error)

	// Watch returns a channel that receives a value after something has changed, one value for many changes. It is
	// closed once ctx has ended.
	Watch(ctx context.Context) <-chan struct{}
}

// A Tone is what a verdict means to whoever looks, and the colour that it has.
type Tone string

// The tones.
const (
	Good Tone = "good" // as it should be
	Warn Tone = "warn" // it will come again, or it was not for us
	Bad  Tone = "bad"  // somebody has to look
	Idle Tone = "idle" // nothing has happened yet, or nothing had to
)

// An Overview is the head of the page.
type Overview struct {
	// Title names what is looked at: the address that is listened on, or the inbox's file.
	Title string `json:"title"`

	// Hint is what to do while there is nothing to show, for instance a command. Each line stands on its own; lines that
	// begin with "$ " are commands, and can be copied.
	Hint string `json:"hint,omitempty"`

	// Verdicts and Vendors are what can be filtered by, in the order in which they are shown. Those with none may be there.
	Verdicts []Count `json:"verdicts"`
	Vendors  []Count `json:"vendors"`
}

// A Count is how many items there are of a verdict or a vendor.
type Count struct {
	Name string `json:"name"`
	Tone Tone   `json:"tone,omitempty"`
	N    int    `json:"n"`
}

// A Query asks for a list. The zero value of each field asks for anything.
type Query struct {
	Vendor, Verdict string

	// Text is what the item's type, delivery, reason or error must contain, whatever the case.
	Text string

	// Before is the Next of the list before.
	Before string

	// Limit is how many items there are to be at most. The page always sets it.
	Limit int
}

// A List is a part of what a [Query] asks for.
type List struct {
	Items []Item `json:"items"`

	// Next asks for what comes after Items. Empty: there is nothing more. A list may have a Next and few or no Items:
	// a source may read a part of what it has, and the page goes on.
	Next string `json:"next,omitempty"`

	// ReadUntil is when the last item that was read had arrived, if the list ends because the source has read enough.
	// Zero otherwise.
	ReadUntil time.Time `json:"read_until,omitzero"`
}

// An Item is a delivery in a list. Texts may be anybody's: the page shows them as text, cut off where they are long.
type Item struct {
	// ID is the source's own name for the item.
	ID string `json:"id"`

	// Vendor, Endpoint, Type and Delivery (its id) are what is known of the delivery, as the handler says it: empty
	// for one that was refused.
	Vendor   string `json:"vendor,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Type     string `json:"type,omitempty"`
	Delivery string `json:"delivery,omitempty"`

	// At is when it arrived.
	At time.Time `json:"at"`

	// Verdict is the handler's outcome, or the state of an inbox's entry.
	Verdict string `json:"verdict"`
	Tone    Tone   `json:"tone"`

	// Status is what the vendor was answered. Zero where that is not known.
	Status int `json:"status,omitempty"`

	// Reason narrows the verdict down; Explanation says it in sentences, with what to do; Error is the callback's last.
	Reason      string `json:"reason,omitempty"`
	Explanation string `json:"explanation,omitempty"`
	Error       string `json:"error,omitempty"`

	// Tries is how often a callback was run for it. Zero where nobody counts.
	Tries int `json:"tries,omitempty"`

	// Actions are what can be done with it now.
	Actions []Action `json:"actions,omitempty"`
}

// An Action is a button. The page knows keys for those named "replay" (r), "retry" (r) and "discard" (d).
type Action struct {
	// Name is what [Source].Act is given.
	Name string `json:"name"`

	// Label is what stands on the button.
	Label string `json:"label"`

	// Confirm, if set, is a question that must be answered with yes before the action is taken.
	Confirm string `json:"confirm,omitempty"`
}

// A Detail is all there is about an item.
type Detail struct {
	Item

	// Method and URL are those of the request. With a URL, the request can be copied as a curl command; see [Curl].
	Method string
	URL    string

	// Header holds what came, without credentials: whatever is in here is shown.
	Header http.Header

	// Body is the body as it was received, byte for byte. Gone says that it is there no more.
	Body []byte
	Gone bool

	// Attempts are all runs so far, the oldest first.
	Attempts []inbox.Attempt

	// Due is when a pending item is run, at the earliest. Since is when one that is dead-lettered or done became so.
	Due, Since time.Time

	// Facts are further lines, as they are to be shown: where the delivery was saved, which key had signed it.
	Facts []Fact
}

// A Fact is a line of a [Detail].
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Matches reports whether an item is one that the query asks for, its place in the list aside.
func (q *Query) Matches(i *Item) bool {
	if q.Vendor != "" && q.Vendor != i.Vendor || q.Verdict != "" && q.Verdict != i.Verdict {
		return false
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
