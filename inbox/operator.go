package inbox

import (
	"context"
	"time"
)

// An Operator lists the entries of an inbox and decides about them. Commands, pages and programs for operators need no more
// of an inbox. The Inbox of every engine implements it, and so does one that a tool has attached to without handlers.
type Operator interface {
	// List returns a page of the entries that a query selects, the newest first. See [Query] and [Page].
	List(ctx context.Context, q Query) (Page, error)

	// Entry returns an entry in any state, with its body and its attempts. If no entry has the ID, the error
	// wraps [ErrNotFound].
	Entry(ctx context.Context, id string) (Entry, error)

	// Retry makes dead letters pending again and returns their number. Their earlier attempts stay in the history. It
	// runs the callback whatever made the delivery a dead letter, including [webhook.Permanent] and a body that did not
	// fit.
	//
	// The delivery keeps its keys. So if its callback had completed after all, it does not run again, and the delivery is
	// done.
	Retry(ctx context.Context, f Filter) (int, error)

	// Rerun is Retry under new keys, and returns the number of deliveries. Callbacks run even for deliveries that were
	// completed, so they may take effect a second time. With an ID, it also reruns an entry that is done, as long as the
	// engine keeps its body. Otherwise the error also wraps [ErrPurged].
	Rerun(ctx context.Context, f Filter) (int, error)

	// Discard ends dead letters without running them, and returns their number. Their keys stay: if the vendor sends the
	// same delivery again, it is a duplicate.
	Discard(ctx context.Context, f Filter) (int, error)

	// Stats counts the stored deliveries by state and by endpoint, for metrics and alerts. The method of each engine
	// documents its costs.
	//
	// Pending, Deferred and DeadLettered are exact in every engine while nothing changes. A delivery that is just being
	// moved may be counted in both states. Running counts at least the callbacks of this process; an engine may count
	// those of other processes as Pending. Done counts what the engine keeps of completed and discarded deliveries to
	// recognize duplicates, which may be nothing.
	Stats(ctx context.Context) (Stats, error)

	// Pause stops the callbacks that the scope selects, in every process. Deliveries are still stored and get 200. Those
	// that are due become [Deferred], without an attempt that counts. A Run notices within two seconds; callbacks that run
	// are not canceled. Pausing a scope again replaces its [Pause]. A scope without a field is [ErrEmptyScope].
	//
	// A process with a version of this module that has no pauses follows none, and also runs what others have deferred. So
	// pause after all processes are updated.
	Pause(ctx context.Context, s Scope) error

	// Resume ends the pause of exactly that scope. Its deferred deliveries run within about ten seconds, and a minute on
	// River. If the scope is not paused, the error is [ErrNotFound].
	Resume(ctx context.Context, s Scope) error

	// Pauses returns the current pauses, the oldest first.
	Pauses(ctx context.Context) ([]Pause, error)

	// Audit returns what operators have changed, the newest first: every Retry, Rerun, Discard, Pause and Resume that
	// changed something. The engine keeps about a thousand. [WithActor] says who acts and why.
	Audit(ctx context.Context) ([]Change, error)
}

// A Query selects the entries of a list. The zero value of a field selects all.
type Query struct {
	// Filter selects entries of any state. An empty State selects all states, and an empty filter all entries.
	Filter

	// Cursor is the Next of the previous page. If it is empty, the list begins with the newest entry.
	Cursor string

	// Limit is the highest number of entries in the page. Defaults to [DefaultLimit]; at most [MaxLimit].
	Limit int
}

// The default and the maximum of [Query.Limit].
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// A Page is a part of the entries that a [Query] selects. An entry that changes its state meanwhile may be in two pages, or
// in none.
type Page struct {
	// Entries are the newest first, by when they were stored. An engine that stores each state separately lists one state
	// after another, and dead letters and deferred deliveries by when they entered their state.
	//
	// Entries have the fields that a list shows. Of the Delivery, only Vendor, Endpoint, Type, ID and ReceivedAt are set.
	// Its Body is empty, or nil if it has been purged. [Operator.Entry] returns the full entry.
	Entries []Entry `json:"entries"`

	// Next is the [Query.Cursor] of the next page. It is empty on the last page. A page with a Next may have few entries or
	// none, because the engine reads a limited number of entries for one page.
	Next string `json:"next,omitempty"`

	// ReadUntil is set if the page ends because the engine has read its limit, and all further entries are older. It is
	// when the last entry that was read was received, or stored. Zero otherwise.
	ReadUntil time.Time `json:"read_until,omitzero"`
}
