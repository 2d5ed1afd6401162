package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aihooks/aihooks-go/idempotency"
)

// DefaultRetention is the retention of a store whose [Options] do not say.
const DefaultRetention = 7 * 24 * time.Hour

// Options are the options of [New].
type Options struct {
	// Namespace keeps the keys of several services on one Redis apart: a key is stored as "NAMESPACE:KEY". Letters,
	// digits, '-', '_', '.' and '/', up to 64 of them. Required.
	Namespace string

	// Retention is for how long a key is remembered: a completed one from its completion, a released one from its
	// release, one that was never given back from the end of its lease. Must not be negative.
	//
	// Defaults to 7 days.
	Retention time.Duration

	// Logger gets a warning for each setting of the server or the client that is wrong, when the store is made.
	//
	// Defaults to [slog.Default].
	Logger *slog.Logger
}

// Client is what the store needs of a client of go-redis. *redis.Client and *redis.ClusterClient have it, and so has
// every redis.UniversalClient.
type Client interface {
	redis.Scripter
	ConfigGet(ctx context.Context, parameter string) *redis.MapStringStringCmd
}

// Store is an [idempotency.Store] on Redis. See the package documentation for the settings that it needs. It has
// nothing to close; the client is its owner's.
type Store struct {
	client    Client
	prefix    string
	retention time.Duration
}

var _ idempotency.Store = (*Store)(nil)

var namespaces = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,64}$`) // no colon, which ends it

// New returns a store on the Redis of that client. The error names the option that breaks a rule.
//
// New looks at the settings of the server for a second at the most, and logs what is wrong with them. That Redis cannot
// be reached is no error: the store answers errors until it can.
func New(client Client, o Options) (*Store, error) {
	switch {
	case client == nil:
		return nil, errors.New("redisstore: New needs a client")
	case !namespaces.MatchString(o.Namespace):
		return nil, fmt.Errorf("redisstore: Options.Namespace must be 1 to 64 letters, digits, '-', '_', '.' or '/', and is %.80q", o.Namespace)
	case o.Retention < 0:
		return nil, fmt.Errorf("redisstore: Options.Retention must not be negative, and is %v", o.Retention)
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	check(client, o.Logger)
	return &Store{client: client, prefix: o.Namespace + ":", retention: o.Retention}, nil
}

// Claim implements [idempotency.Store]. The error is [idempotency.ErrFull] if Redis has reached its maxmemory and does
// not know the key, and another one if lease is not longer than zero.
func (s *Store) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if lease <= 0 {
		return idempotency.Claim{}, fmt.Errorf("redisstore: the lease of a claim must be longer than zero, and is %v", lease)
	}
	call := idempotency.NewToken() // another for each call, but not for a copy that go-redis sends
	cmd, err := s.run(ctx, claimScript, key, token[:], call[:], milliseconds(lease), milliseconds(s.retention))
	if err != nil {
		return idempotency.Claim{}, failed("claim", err)
	}
	answer, err := cmd.Int64Slice()
	if err != nil || len(answer) != 2 {
		return idempotency.Claim{}, fmt.Errorf("redisstore: claim: not the answer of the script: %v", cmd.Val())
	}
	switch answer[0] {
	case acquired:
		return idempotency.Claim{State: idempotency.Acquired, Attempt: int(answer[1])}, nil
	case inFlight:
		return idempotency.Claim{State: idempotency.InFlight, Remaining: time.Duration(answer[1]) * time.Millisecond}, nil
	default:
		return idempotency.Claim{State: idempotency.Completed, OtherTag: answer[1] != 0}, nil
	}
}

// Complete implements [idempotency.Store].
func (s *Store) Complete(ctx context.Context, key string, token idempotency.Token) error {
	cmd, err := s.run(ctx, completeScript, key, token[:], milliseconds(s.retention))
	if err != nil {
		return failed("complete", err)
	}
	if held, err := cmd.Int(); err != nil {
		return failed("complete", err)
	} else if held == 0 {
		return idempotency.ErrLeaseLost
	}
	return nil
}

// Release implements [idempotency.Store].
func (s *Store) Release(ctx context.Context, key string, token idempotency.Token) error {
	if _, err := s.run(ctx, releaseScript, key, token[:], milliseconds(s.retention)); err != nil {
		return failed("release", err)
	}
	return nil
}

// Retention implements [idempotency.Store].
func (s *Store) Retention() time.Duration { return s.retention }

// run sends a script by its hash, and in full if the server does not know it.
func (s *Store) run(ctx context.Context, script *redis.Script, key string, args ...any) (*redis.Cmd, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := script.Run(ctx, s.client, []string{s.prefix + key}, args...)
	return cmd, cmd.Err()
}

// milliseconds rounds up, and adds one: the scripts cut the clock to whole ones, and nothing may end early.
func milliseconds(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms + 1
}

func failed(verb string, err error) error {
	// Before version 7 Redis puts the error of a command into one of the script.
	if redis.IsOOMError(err) || strings.Contains(err.Error(), "-OOM ") {
		return fmt.Errorf("redisstore: %s: %w: %w", verb, idempotency.ErrFull, err)
	}
	if strings.Contains(err.Error(), "NOPERM ") || strings.Contains(err.Error(), "The user executing the script can't ") {
		return fmt.Errorf("redisstore: %s: %w (the Redis user needs the permissions that the package documentation lists)", verb, err)
	}
	return fmt.Errorf("redisstore: %s: %w", verb, err)
}
