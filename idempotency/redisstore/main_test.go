// The tests start Redis with package redistest, which requires Unix.

//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

// shared is the server of all tests that leave it running.
var shared *redistest.Server

func TestMain(m *testing.M) {
	if !kit.InRole() {
		var err error
		if shared, err = redistest.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = os.Setenv("REDIS_URL", "redis://"+shared.Addr())
	}
	kit.Main(m, 12, roles, func() error { // parallel tests mostly wait
		shared.Close()
		return nil
	})
}

// connect returns a client with the option that the documentation requires.
func connect(t testing.TB, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newStore(t testing.TB, client redisstore.Client, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if o.Namespace == "" {
		o.Namespace = namespace(t)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := redisstore.New(client, &o)
	require.NoError(t, err)
	return s
}

// namespace returns a namespace for one test.
func namespace(testing.TB) string { return idempotency.NewToken().String() }

func TestConformance_KeepsStoreRules(t *testing.T) {
	t.Parallel() // it mostly waits
	client := connect(t, shared.Addr())
	idempotencytest.Run(t, idempotencytest.Options{
		New: func(t testing.TB, retention time.Duration) idempotency.Store {
			return newStore(t, client, redisstore.Options{Retention: retention})
		},
		Around: atOnce,
		// Long enough for a busy machine to check in time.
		Retention: 4 * time.Second, Lease: 1500 * time.Millisecond, Slack: time.Second,
	})
}

func TestConformance_KeepsStoreRulesOnCluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, s := range redistest.NewCluster(t, 3) {
		addrs = append(addrs, s.Addr())
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	t.Run("rules", func(t *testing.T) { // waits for its parallel subtests
		idempotencytest.Run(t, idempotencytest.Options{
			New: func(t testing.TB, retention time.Duration) idempotency.Store {
				return newStore(t, client, redisstore.Options{Retention: retention})
			},
			Around: atOnce,
			// Long enough for a busy machine to check in time.
			Retention: 4 * time.Second, Lease: 1500 * time.Millisecond, Slack: time.Second,
		})
	})
	var used atomic.Int64
	require.NoError(t, client.ForEachMaster(t.Context(), func(ctx context.Context, master *redis.Client) error {
		n, err := master.DBSize(ctx).Result()
		if n > 0 {
			used.Add(1)
		}
		return err
	}))
	require.EqualValues(t, 3, used.Load(), "masters that have keys")
}

// atOnce runs the cases of a suite in parallel, because they mostly wait.
func atOnce(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	f(t)
}
