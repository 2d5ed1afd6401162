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

// DefaultRetention is the default of [Options].Retention.
const DefaultRetention = 7 * 24 * time.Hour

// Options are the options of [New].
type Options struct {
	// Namespace separates the keys of several services on one Redis. A key is stored as "NAMESPACE:KEY". It has 1 to 64
	// letters, digits, '-', '_', '.' and '/'. Required.
	Namespace string

	// Retention is how long a key is remembered. It counts from the completion of a completed key, from the release of a
	// released key, and otherwise from the end of the lease. It must not be negative.
	//
	// Defaults to 7 days.
	Retention time.Duration

	// Logger gets a warning from New for each wrong setting of the server or the client.
	//
	// Defaults to [slog.Default].
	Logger *slog.Logger
}

// Client is the part of a go-redis client that the store uses. *redis.Client, *redis.ClusterClient and every
// redis.UniversalClient implement it.
type Client interface {
	redis.Scripter
	ConfigGet(ctx context.Context, parameter string) *redis.MapStringStringCmd
}

// Store is an [idempotency.Renewer] on Redis. See the package documentation for the settings that it needs. A Store needs no
// closing. It does not close the client.
type Store struct {
	client    Client
	prefix    string
	retention time.Duration
}

var _ idempotency.Renewer = (*Store)(nil)

var namespaces = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,64}$`) // no colon, because a colon ends the namespace

// New returns a store on the Redis of the client. The error names the option that is invalid.
//
// New reads the settings of the server for at most a second, and logs a warning for each wrong setting. It returns no
// error if Redis is unavailable. The store's methods then return errors until Redis is available.
func New(client Client, options *Options) (*Store, error) {
	var o Options
	if options != nil {
		o = *options
	}
	switch {
	case client == nil:
		return nil, errors.New("redisstore: New: the client must not be nil")
	case !namespaces.MatchString(o.Namespace):
		return nil, fmt.Errorf("redisstore: Options.Namespace (%.80q) must be 1 to 64 letters, digits, '-', '_', '.' or '/'", o.Namespace)
	case o.Retention < 0:
		return nil, fmt.Errorf("redisstore: Options.Retention (%v) must not be negative", o.Retention)
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

// Claim implements [idempotency.Store]. It returns [idempotency.ErrFull] if the key is new and Redis has reached its
// maxmemory. It returns another error if lease is not longer than zero.
func (s *Store) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if lease <= 0 {
		return idempotency.Claim{}, fmt.Errorf("redisstore: the lease (%v) must be longer than zero", lease)
	}
	call := idempotency.NewToken() // a new one for each call; a copy that go-redis sends again has the same
	cmd, err := s.run(ctx, claimScript, key, token[:], call[:], milliseconds(lease), milliseconds(s.retention))
	if err != nil {
		return idempotency.Claim{}, failed("claim", err)
	}
	reply, err := cmd.Int64Slice()
	if err != nil || len(reply) != 2 {
		return idempotency.Claim{}, fmt.Errorf("redisstore: claim: unexpected reply from the script: %v", cmd.Val())
	}
	switch reply[0] {
	case acquired:
		return idempotency.Claim{State: idempotency.Acquired, Attempt: int(reply[1])}, nil
	case inFlight:
		return idempotency.Claim{State: idempotency.InFlight, Remaining: time.Duration(reply[1]) * time.Millisecond}, nil
	default:
		return idempotency.Claim{State: idempotency.Completed, OtherTag: reply[1] != 0}, nil
	}
}

// Complete implements [idempotency.Store].
func (s *Store) Complete(ctx context.Context, key string, token idempotency.Token) error {
	return s.change(ctx, "complete", completeScript, key, token[:], milliseconds(s.retention))
}

// Renew implements [idempotency.Renewer]. It returns an error if lease is not longer than zero.
func (s *Store) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	if lease <= 0 {
		return fmt.Errorf("redisstore: the lease (%v) must be longer than zero", lease)
	}
	return s.change(ctx, "renew", renewScript, key, token[:], milliseconds(lease), milliseconds(s.retention))
}

// change runs a script that changes a key if the token holds it.
func (s *Store) change(ctx context.Context, method string, script *redis.Script, key string, args ...any) error {
	cmd, err := s.run(ctx, script, key, args...)
	if err != nil {
		return failed(method, err)
	}
	if held, err := cmd.Int(); err != nil {
		return failed(method, err)
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

// run sends a script by its hash, or in full if the server does not know it.
func (s *Store) run(ctx context.Context, script *redis.Script, key string, args ...any) (*redis.Cmd, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cmd := script.Run(ctx, s.client, []string{s.prefix + key}, args...)
	return cmd, cmd.Err()
}

// milliseconds rounds up and adds one. The scripts round the clock down, and no lease or retention may end early.
func milliseconds(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms + 1
}

func failed(verb string, err error) error {
	// Before version 7, Redis wraps the error of a command in an error of the script.
	if redis.IsOOMError(err) || strings.Contains(err.Error(), "-OOM ") {
		return fmt.Errorf("redisstore: %s: %w: %w", verb, idempotency.ErrFull, err)
	}
	if strings.Contains(err.Error(), "NOPERM ") || strings.Contains(err.Error(), "The user executing the script can't ") {
		return fmt.Errorf("redisstore: %s: %w (grant the Redis user the permissions that the package documentation lists)", verb, err)
	}
	return fmt.Errorf("redisstore: %s: %w", verb, err)
}
