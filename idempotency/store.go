package idempotency

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// A Token identifies one claim of one key. The caller makes it, and can therefore release a claim whose response was
// lost. A Token is random. A counter would start again at one when a key is purged, and an old worker's token could then
// match again.
//
// The last two bytes are the token's tag. They are random unless [Token.WithTag] has set them.
type Token [16]byte

// NewToken returns a new random token of 128 bits. It reads the operating system's generator each time. A generator in the
// process would return the same tokens in all processes that start from one snapshot.
func NewToken() Token {
	var t Token
	_, _ = rand.Read(t[:]) // never fails, see crypto/rand
	return t
}

// WithTag returns the token with the given tag, a short hash of the claimed work. A store keeps the tag of a completed
// key, so that a later claim of the key can detect other work. See [Claim.OtherTag]. The other 14 bytes stay random.
func (t Token) WithTag(tag uint16) Token {
	binary.BigEndian.PutUint16(t[len(t)-2:], tag)
	return t
}

// Tag returns the token's tag.
func (t Token) Tag() uint16 { return binary.BigEndian.Uint16(t[len(t)-2:]) }

// String returns the token in hex. A token is a fencing token. It authenticates nothing, so it is not secret.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// A State is the result of a claim.
type State uint8

// The states of a key, as [Store.Claim] reports them.
const (
	// Acquired means that the caller now holds the key. It was free, or its lease had ended.
	Acquired State = iota + 1
	// InFlight means that another claim holds the key, and its lease has not ended.
	InFlight
	// Completed means that the key is completed, and its retention has not passed.
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

// A Claim is the result of [Store.Claim].
type Claim struct {
	State State

	// Attempt is how often the key has been acquired, including this claim. The first claim has 1. A release keeps the
	// count. It starts again at 1 when the key has been forgotten. Set if State is Acquired.
	Attempt int

	// Remaining is how long the lease of the current holder still lasts, by the store's clock. It tells when to try
	// again. Set if State is InFlight.
	Remaining time.Duration

	// OtherTag reports whether the token that completed the key has another tag than this claim's token. It has a
	// meaning only if every claim of the key sets a tag. Set if State is Completed.
	OtherTag bool
}

// ErrLeaseLost is returned by [Store.Complete] and [Renewer.Renew] if the token no longer holds the key. Either the lease had ended
// and another claim took the key, or the key was released or forgotten. It is also the cause of a work's context that ended
// with its lease, see [Lease.Context].
var ErrLeaseLost = errors.New("idempotency: the lease was lost to another claim")

// ErrFull is returned by [Store.Claim] if the key is new and the store has no capacity for it. A full store refuses new
// keys. It never forgets a key early.
var ErrFull = errors.New("idempotency: the store is full")

// A Store remembers which keys are in flight and which are completed. Every store must pass
// [github.com/aihooks/aihooks-go/idempotency/idempotencytest.Run], which tests these rules:
//
//   - If several callers claim a free key at once, exactly one claim is Acquired.
//   - A lease ends by the store's own clock. After it has ended, the next Claim acquires the key.
//   - A released key is free at once, and keeps its attempt count.
//   - A completed key stays completed for Retention, counted from its completion. It is forgotten some time later.
//   - A key that was released, or whose lease has ended, keeps its attempt count for Retention. It is forgotten some time
//     later. A key in flight is not forgotten, even if its lease is longer than Retention.
//   - Only the token that holds a key can complete or release it.
//   - A claim of a completed key reports whether the token that completed it has another tag.
//
// An error from any method means that the store is unavailable, or full ([ErrFull]). The state of a key is never an error
// of Claim. All methods may be called concurrently. They return early with an error when ctx ends.
type Store interface {
	// Claim tries to acquire key for the time of lease, under token. A key in flight is InFlight for every caller,
	// including its holder. It returns an error if lease is not longer than zero.
	Claim(ctx context.Context, key string, token Token, lease time.Duration) (Claim, error)

	// Complete marks key as completed. It succeeds while token holds the key. That includes the time after the lease,
	// until another claim acquires the key. It may be repeated with the same token. Otherwise it returns [ErrLeaseLost].
	Complete(ctx context.Context, key string, token Token) error

	// Release frees key, so that it can be claimed at once, and keeps its attempt count. If token does not hold the key,
	// or the key is completed, it does nothing and returns no error.
	Release(ctx context.Context, key string, token Token) error

	// Retention returns the minimum time for which a completed key is remembered.
	Retention() time.Duration
}

// A Renewer is a [Store] that can extend a lease. Work can then run for hours under a short lease, see
// [ClaimRequest.RenewUntil]. [Memory] and the stores below this package are Renewers. For a Renewer,
// [github.com/aihooks/aihooks-go/idempotency/idempotencytest.Run] tests Renew as well.
type Renewer interface {
	Store

	// Renew makes the lease of key end after the time of lease from now, or when it would end anyway, whichever is later.
	// It keeps the attempt count. It succeeds while token holds the key. That includes the time after the lease, until
	// another claim acquires the key. It changes nothing and returns no error if token has completed the key. Otherwise it
	// returns [ErrLeaseLost]. It returns another error if lease is not longer than zero.
	Renew(ctx context.Context, key string, token Token, lease time.Duration) error
}
