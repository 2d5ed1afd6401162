//go:build unix

package redisstore_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
	"github.com/aihooks/aihooks-go/webhook"
)

// The permissions that the package documentation lists.
var (
	aclStore   = []string{"+evalsha", "+eval", "+time", "+hmget", "+hset", "+hdel", "+pexpire"}
	aclCluster = "+cluster|slots"
	aclCommand = "+command" // in a cluster; without it go-redis sends the command before each call
	aclCheck   = "+config|get"
)

func TestACL_DocumentationListsPermissions(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, line := range []string{strings.Join(aclStore, " "), aclCluster + " " + aclCommand, aclCheck} {
		require.Contains(t, string(text), line)
	}
}

// limit creates a user that has only these permissions, and only for keys of the namespace "app".
func limit(t *testing.T, server *redistest.Server, permissions ...string) {
	t.Helper()
	rules := append([]string{"ACL", "SETUSER", "app", "reset", "on", ">secret", "~app:*", "-@all"}, permissions...)
	_, err := server.Do(rules...)
	require.NoError(t, err)
}

func limitedClient(t *testing.T, servers ...*redistest.Server) redis.UniversalClient {
	t.Helper()
	var client redis.UniversalClient
	if len(servers) == 1 {
		client = redis.NewClient(&redis.Options{Addr: servers[0].Addr(), Username: "app", Password: "secret", ContextTimeoutEnabled: true})
	} else {
		client = redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: []string{servers[0].Addr()}, Username: "app", Password: "secret", ContextTimeoutEnabled: true,
		})
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// useAll calls every method of a store, with keys on all servers of a cluster.
func useAll(ctx context.Context, s *redisstore.Store) error {
	for range 12 {
		key := idempotency.NewToken().String()
		for _, end := range []func(context.Context, string, idempotency.Token) error{s.Release, s.Complete} {
			token := idempotency.NewToken()
			claim, err := s.Claim(ctx, key, token, time.Minute)
			if err != nil {
				return err
			}
			if claim.State != idempotency.Acquired {
				return idempotency.ErrLeaseLost
			}
			if err := s.Renew(ctx, key, token, time.Hour); err != nil {
				return err
			}
			if err := end(ctx, key, token); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestACL_ListIsEnoughAndMinimal(t *testing.T) {
	t.Parallel()
	for name, masters := range map[string]int{"alone": 1, "cluster": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := []*redistest.Server{}
			needed := slices.Clone(aclStore)
			if masters == 1 {
				servers = append(servers, redistest.New(t))
			} else {
				servers = redistest.NewCluster(t, masters)
				needed = append(needed, aclCluster)
			}
			open := func(permissions ...string) (*redisstore.Store, string) {
				for _, server := range servers {
					limit(t, server, permissions...)
					_, err := server.Do("SCRIPT", "FLUSH")
					require.NoError(t, err)
				}
				client := limitedClient(t, servers...)
				var log bytes.Buffer
				var store *redisstore.Store
				kit.Quick(t, time.Second, func() { // otherwise New has not read the settings in time
					log.Reset()
					store = newStore(t, client, redisstore.Options{Namespace: "app", Logger: slog.New(slog.NewTextHandler(&log, nil))})
				})
				return store, log.String()
			}

			store, log := open(needed...)
			require.NoError(t, useAll(t.Context(), store))
			require.Contains(t, log, "cannot read the settings of Redis", "without "+aclCheck)
			if masters > 1 {
				needed = append(needed, aclCommand)
			}
			store, log = open(append(slices.Clone(needed), aclCheck)...)
			require.NoError(t, useAll(t.Context(), store))
			require.Empty(t, log)

			for i, permission := range needed {
				if permission == aclCommand {
					continue // only slower without it, see above
				}
				store, _ := open(slices.Delete(slices.Clone(needed), i, i+1)...)
				err := useAll(t.Context(), store)
				require.Error(t, err, "without "+permission)
				require.ErrorContains(t, err, "package documentation", "without "+permission)
				if permission == "+evalsha" || permission == "+eval" || permission == aclCluster {
					require.ErrorContains(t, err, "'"+permission[1:]+"'")
				}
			}
			for _, server := range servers {
				limit(t, server, append([]string{"resetkeys", "~other:*"}, needed...)...)
			}
			require.ErrorContains(t, useAll(t.Context(), newStore(t, limitedClient(t, servers...), redisstore.Options{Namespace: "app"})), "package documentation")
		})
	}
}

// TestACL_MissingPermissionIs503 checks that the sender retries, and that the delivery runs after the permission is granted.
func TestACL_MissingPermissionIs503(t *testing.T) {
	t.Parallel()
	server := redistest.New(t)
	limit(t, server, aclStore[:4]...)
	called := 0
	h, err := newReceiver(webhook.Options{
		Store:        newStore(t, limitedClient(t, server), redisstore.Options{Namespace: "app"}),
		StoreTimeout: time.Minute, // a busy machine must not look like an unavailable server
	}, func(context.Context, *webhook.Delivery) error {
		called++
		return nil
	})
	require.NoError(t, err)
	refused := 0
	require.NoError(t, until(convospheretest.NewSender(t, h, secret), "event", func() {
		refused++
		require.Zero(t, called)
		limit(t, server, aclStore...)
	}))
	require.Equal(t, 1, refused)
	require.Equal(t, 1, called)
}
