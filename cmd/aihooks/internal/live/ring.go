// Package live keeps the last deliveries that arrived, in memory, for the page: it is the [page.Source] of aihooks listen.
package live

import (
	"context"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

// The defaults of Options.
const (
	DefaultKeep  = 1000
	DefaultBytes = 64 << 20
)

// Options are the options of [New]. The zero value of each field stands for its default.
type Options struct {
	// Title and Hint are those of the page's [page.Overview].
	Title, Hint string

	// Keep is how many deliveries are kept, and Bytes how large their bodies are together, at most; the oldest go first,
	// the last one stays. Default to [DefaultKeep] and [DefaultBytes].
	Keep, Bytes int

	// Replay, if set, sends a delivery again and returns a sentence that says how that was answered. It is offered for
	// each delivery, and told to the page as the action "replay". Its ctx ends with the request of the page.
	Replay func(ctx context.Context, d page.Detail) (string, error)
}

// A Ring keeps deliveries. All its methods may be called concurrently.
type Ring struct{ o Options }

// New returns an empty ring.
func New(o Options) *Ring { return &Ring{o} }

// Add adds a delivery as the newest and tells all who watch. It returns the ID that the delivery was given: the one it has,
// or the next number if it has none. The ring keeps the body and the header; nobody may write to them any more.
func (r *Ring) Add(d page.Detail) string { return "" }

// Update changes a delivery that was added, by a function that is given it, and reports whether it was still there. For
// what is known only after the answer: a callback that ended late. The function must not call the ring.
func (r *Ring) Update(id string, change func(*page.Detail)) bool { return false }
