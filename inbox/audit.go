package inbox

import (
	"context"
	"time"
)

// An Actor says who changes an inbox, and why. See [WithActor].
type Actor struct {
	// By names a person or a program, such as "alice@example.com".
	By string `json:"by,omitempty"`

	// Reason is a short text, such as "the database is back".
	Reason string `json:"reason,omitempty"`
}

type actorKey struct{}

// WithActor returns a context for the operations of an [Operator], whose [Change] then names the actor.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFromContext returns the actor of [WithActor], or an empty one.
func ActorFromContext(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// An Action is an operation that changes an inbox.
type Action string

// The actions, each named for the method of [Operator].
const (
	ActionRetry   Action = "retry"
	ActionRerun   Action = "rerun"
	ActionDiscard Action = "discard"
	ActionPause   Action = "pause"
	ActionResume  Action = "resume"
)

// A Change is the record of an operation. See [Operator.Audit].
type Change struct {
	Actor

	At     time.Time `json:"at"`
	Action Action    `json:"action"`

	// Filter is what the operation selected. A pause has only Vendor, Endpoint and Type.
	Filter Filter `json:"filter"`

	// Entries is the number of entries that were changed, or zero for a pause. It is also zero if the process ended
	// during the operation, or if the operation failed and may have changed an entry.
	Entries int `json:"entries"`
}
