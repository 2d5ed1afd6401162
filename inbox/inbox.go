package inbox

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aihooks/aihooks-go/webhook"
)

// An Inbox stores deliveries durably and runs them later. Every engine implements it and passes
// [github.com/aihooks/aihooks-go/inbox/inboxtest.Run], which tests these rules.
type Inbox interface {
	// Enqueue stores a delivery unless one with the same first key is stored. Handlers call it.
	webhook.Inbox

	// The methods of an operator work in every process, also while no Run runs.
	Operator

	// Run runs the callbacks of stored deliveries until ctx ends. Then it takes no more deliveries, and waits for the
	// callbacks that run. After [Policy.DrainTimeout] it cancels them. It gives back the deliveries that it has not
	// finished.
	//
	// It returns nil, or a [*DrainError] if callbacks did not return. It returns an error at once if two handlers are for
	// the same vendor and endpoint, or if there is no handler. After Shutdown it returns [ErrShutdown]. Failures that may
	// pass, such as an unavailable store, do not end a Run: it logs them and tries again.
	//
	// Several processes may run the same inbox. One process may have several Runs.
	Run(ctx context.Context, handlers ...Handler) error

	// Add adds handlers to every Run of this process, and to every Run that begins later. Use it for endpoints that are
	// added while the service runs. One Run with all handlers applies [Policy.Concurrency] and [Policy.Limits] to all of
	// them together; each further Run has its own limits.
	//
	// Add returns an error, and adds no handler, if the inbox has a handler for the same vendor and endpoint. After Add,
	// even without handlers, Run may begin without any.
	Add(handlers ...Handler) error

	// Remove removes handlers from every Run, whether they came by Add or by Run. Callbacks that run continue: call
	// Handler.Shutdown to wait for them. Stored deliveries stay stored, and run when a handler is added again.
	Remove(handlers ...Handler)

	// Shutdown ends every Run of this process. The end of ctx replaces [Policy.DrainTimeout]. Pass the context that shuts
	// down the server and the handlers, so that all steps share one deadline.
	//
	// It returns once every Run has returned, at most about a second after the end of ctx. It returns their [*DrainError]
	// if callbacks did not return. Enqueue continues to store deliveries.
	Shutdown(ctx context.Context) error

	// DeadLetters iterates over the dead letters that the filter selects, with their bodies, the oldest first. For this
	// method and for Retry, Rerun and Discard, an empty filter is [ErrEmptyFilter]. An ID that selects no dead letter is
	// [ErrNotFound]. With [Filter.State] set to [Deferred], the methods work on deferred deliveries instead.
	DeadLetters(ctx context.Context, f Filter) iter.Seq2[Entry, error]
}

// ErrShutdown is returned by [Inbox.Run] after [Inbox.Shutdown].
var ErrShutdown = errors.New("inbox: the inbox has been shut down")

// A DrainError reports callbacks that did not return after they were canceled. Their deliveries run again once their
// leases have ended.
type DrainError struct {
	Left []string // vendor/endpoint/id of each delivery
}

// Error returns the number of callbacks that did not return.
func (e *DrainError) Error() string {
	return fmt.Sprintf("inbox: %d callbacks did not return within a second after they were canceled", len(e.Left))
}
