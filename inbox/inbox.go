package inbox

import (
	"context"
	"fmt"
	"iter"

	"github.com/aihooks/aihooks-go/webhook"
)

// An Inbox takes deliveries durably and runs them later. Every engine is one, and passes
// [github.com/aihooks/aihooks-go/inbox/inboxtest.Run], which states these rules as tests.
type Inbox interface {
	// Enqueue, which handlers call, stores a delivery unless one with the same first key is there.
	webhook.Inbox

	// Run calls back for stored deliveries until ctx ends. Then it takes no more, waits for the callbacks that run,
	// cancels them after [Policy.DrainTimeout], gives back what it has not finished, and returns: nil, or a
	// [*DrainError] if callbacks did not return. It returns an error at once if two hooks are for the same
	// deliveries, or for none. Several processes may run the same inbox, and one process several Runs.
	//
	// After Shutdown it returns [ErrShutdown].
	//
	// What a run could not help is not its error: it is tried again, and said in the log.
	Run(ctx context.Context, hooks ...Hook) error

	// Add gives every Run of this process one more handler each, those that begin later as well: for endpoints that come
	// while the service runs. One Run with all handlers keeps [Policy.Concurrency] and [Policy.Limits] for all of
	// them together, where each further Run has its own. It returns an error, and adds none, if there is a handler for
	// the same deliveries. After a call of Add, also of one without handlers, Run may begin without any.
	Add(hooks ...Hook) error

	// Remove takes handlers away from every Run, whether Add or Run was given them. Callbacks that run go on: wait for
	// them by Handler.Shutdown. Deliveries that are stored stay, and run once there is a handler again.
	Remove(hooks ...Hook)

	// Shutdown ends every Run of this process as the end of its context would, but the end of ctx takes the place of
	// [Policy.DrainTimeout]: give it the context that the server and the handlers are shut down with, so that all steps
	// share one deadline. It returns once every Run has returned, about a second after the end of ctx at the latest,
	// with their [*DrainError] if callbacks did not return. Enqueue goes on to store deliveries.
	Shutdown(ctx context.Context) error

	// Dead goes through the dead letters that the filter selects, the longest dead first. Here and below, a filter that
	// says nothing is [ErrEmptyFilter], and one whose ID is not that of a dead letter that it selects, [ErrNotFound];
	// with [Filter.State], deliveries that wait for a callback take the place of dead letters.
	Dead(ctx context.Context, f Filter) iter.Seq2[Entry, error]

	// Retry has dead letters run again, with all attempts before them, and returns how many there were. Whatever made
	// them dead letters, their callbacks run: also after [webhook.Permanent], and after a body that did not fit. They run
	// under the keys that they had. The only callback that does not run is one that had completed its delivery after
	// all: that delivery is found to be done.
	Retry(ctx context.Context, f Filter) (int, error)

	// Rerun is Retry under new keys, so that callbacks run also for deliveries that were completed: they may take effect
	// a second time. It returns how many there were.
	Rerun(ctx context.Context, f Filter) (int, error)

	// Discard ends dead letters without running them, and returns how many there were. Their keys stay: the same
	// delivery, sent once more, is a duplicate.
	Discard(ctx context.Context, f Filter) (int, error)
}

// A DrainError says what a Run had to leave behind: callbacks that did not return although they were cancelled. Their
// deliveries run again once their leases have ended.
type DrainError struct {
	Left []string // vendor, endpoint and id of each
}

// Error says how many there were.
func (e *DrainError) Error() string {
	return fmt.Sprintf("inbox: %d callbacks had not returned a second after they were cancelled", len(e.Left))
}
