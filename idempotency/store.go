package idempotency

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// A Token names one claim of one key. The caller makes it, so that a claim whose answer was lost on the way can
// still be released. Tokens are random and never counted: a counter would start again at one once a key has been
// purged, and a worker that slept through it would hold a token that matches again.
//
// The last two bytes are the token's tag. They are random too, unless [Token.WithTag] has set them.
type Token [16]byte

// NewToken returns a fresh random token of 128 bits. It asks the operating system each time: a generator of the process's
// own would give the same tokens to all that are started from one snapshot.
func NewToken() Token {
	var t Token
	_, _ = rand.Read(t[:]) // never fails, see crypto/rand
	return t
}

// WithTag returns the token with that tag: a short hash of what the claim is about. A store keeps it with the token of a
// completed key, so that a later claim of the same key shows whether it is about something else: see [Claim.OtherTag].
// The other 14 bytes stay random.
func (t Token) WithTag(tag uint16) Token {
	binary.BigEndian.PutUint16(t[len(t)-2:], tag)
	return t
}

// Tag returns the token's tag.
func (t Token) Tag() uint16 { return binary.BigEndian.Uint16(t[len(t)-2:]) }

// String returns the token in hex. A token is not a secret: it fences, it does not authenticate.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// A State is what a store answers to a claim.
type State uint8

// The states of a key, as [Store.Claim] reports them.
const (
	// Acquired: the key was free, or its lease had ended, and is the caller's now.
	Acquired State = iota + 1
	// InFlight: another claim holds the key and its lease still runs.
	InFlight
	// Completed: the key was completed, and its retention has not passed.
	Completed
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Acquired:
		return "acquired"
	case InFlight:
		return "in flight"
	case Completed:
		return "completed"
	default:
		return "unknown"
	}
}

// A Claim is the answer to [Store.Claim].
type Claim struct {
	State State

	// Attempt counts how often the key has been acquired, this claim included: 1 for the first. It is kept when a
	// key is released and starts again at 1 once the key has been forgotten. Set when State is Acquired.
	Attempt int

	// Remaining is for how much longer, by the store's clock, the present holder's lease runs: a hint for the
	// caller's next try. Set when State is InFlight.
	Remaining time.Duration

	// OtherTag reports that the token that completed the key has another tag than the token of this claim. It means
	// nothing unless all who claim the key set tags. Set when State is Completed.
	OtherTag bool
}

// ErrLeaseLost is returned by [Store.Complete] when the token no longer holds the key: the lease had ended and
// somebody else took the key, or the key was released or forgotten.
var ErrLeaseLost = errors.New("idempotency: the lease was lost to another claim")

// ErrFull is returned by [Store.Claim] when a store has no room for a key that it does not know yet. A full store
// refuses; it never makes room by forgetting a key early.
var ErrFull = errors.New("idempotency: the store is full")

// A Store remembers which keys are being worked on and which are done. Every store passes
// [github.com/aihooks/aihooks-go/idempotency/idempotencytest.Run], which states these rules as tests:
//
//   - Of any number of concurrent claims of a free key exactly one is Acquired.
//   - A lease ends by the store's own clock. After it has ended, the next Claim acquires the key.
//   - A key that was released is free at once, and keeps its attempt count.
//   - A completed key stays completed for Retention, counted from its completion, and is forgotten some time after.
//   - A key that was released, or whose lease has ended, counts on for Retention, and is forgotten some time after. A
//     key in flight is not forgotten, however much longer its lease is.
//   - Only the token that holds a key can complete or release it.
//   - A claim of a completed key reports whether the token that completed it has another tag.
//
// An error from any method means that the store could not be asked, or had no room ([ErrFull]); what became of a key
// is never an error of Claim. All methods may be called concurrently, and end early, with an error, when ctx ends.
type Store interface {
	// Claim tries to take key for the time of lease, under token. A claim of a key that is in flight is InFlight for
	// everyone, its holder included. A lease that is not longer than zero is an error.
	Claim(ctx context.Context, key string, token Token, lease time.Duration) (Claim, error)

	// Complete marks key as done. It succeeds as long as token holds the key, also after the lease has ended if
	// nobody took the key since, and may be repeated with the same token. Otherwise the error is [ErrLeaseLost].
	Complete(ctx context.Context, key string, token Token) error

	// Release gives key back so that it can be claimed at once, and keeps its attempt count. It does nothing, and
	// reports no error, when token does not hold the key or the key is completed.
	Release(ctx context.Context, key string, token Token) error

	// Retention is for how long, at least, a completed key is remembered.
	Retention() time.Duration
}
