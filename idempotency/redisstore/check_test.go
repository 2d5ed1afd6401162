//go:build unix

package redisstore_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

// warnings returns the lines that New logs when it has read the settings in time.
func warnings(t *testing.T, client redisstore.Client) (lines []string) {
	t.Helper()
	kit.Quick(t, time.Second, func() { lines = logged(t, client) })
	return lines
}

// logged returns the lines that New logs.
func logged(t *testing.T, client redisstore.Client) []string {
	t.Helper()
	var log bytes.Buffer
	newStore(t, client, redisstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if lines[0] == "" {
		return nil
	}
	for _, line := range lines {
		require.Contains(t, line, "level=WARN")
	}
	return lines
}

func TestNew_DoesNotWarnOnRightSettings(t *testing.T) {
	require.Empty(t, warnings(t, connect(t, shared.Addr())))
}

func TestNew_WarnsOnWrongSetting(t *testing.T) {
	for setting, want := range map[string]string{
		"maxmemory-policy allkeys-lru":  "evict",
		"maxmemory-policy volatile-ttl": "evict",
		"appendonly no":                 "a restart of Redis will forget",
		"appendfsync everysec":          "a crash of the machine will forget",
	} {
		name, value, _ := strings.Cut(setting, " ")
		server := redistest.New(t, "--"+name, value)
		got := warnings(t, connect(t, server.Addr()))
		require.Len(t, got, 1, setting)
		require.Contains(t, got[0], want)
		require.Contains(t, got[0], "setting="+name+" is="+value+" should_be=")
	}
}

func TestNew_WarnsOnWrongClusterMaster(t *testing.T) {
	servers := redistest.NewCluster(t, 3)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{servers[0].Addr()}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	require.Empty(t, warnings(t, client))
	_, err := servers[1].Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	require.NoError(t, err)
	got := warnings(t, client)
	require.Len(t, got, 1)
	require.Contains(t, got[0], "is=allkeys-lru")
}

func TestNew_WarnsOnceOnUnreadableSettings(t *testing.T) {
	managed := redistest.New(t, "--rename-command", "CONFIG", "")
	got := warnings(t, connect(t, managed.Addr()))
	require.Len(t, got, 1)
	require.Contains(t, got[0], "cannot read the settings")

	restricted := redistest.New(t)
	_, err := restricted.Do("ACL", "SETUSER", "app", "on", ">secret", "~*",
		"+evalsha", "+eval", "+time", "+hmget", "+hset", "+hdel", "+pexpire")
	require.NoError(t, err)
	client := redis.NewClient(&redis.Options{Addr: restricted.Addr(), Username: "app", Password: "secret", ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	got = warnings(t, client)
	require.Len(t, got, 1)
	require.Contains(t, got[0], "NOPERM")
	s := newStore(t, client, redisstore.Options{})
	require.NoError(t, s.Complete(t.Context(), "key", claim(t, s, "key", 1)), "the documented commands are enough")
	require.NoError(t, s.Release(t.Context(), "other", claim(t, s, "other", 1)))
}

func TestNew_WaitsBrieflyForUnavailableRedis(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	for _, addr := range []string{silent.Addr().String(), gone.Addr().String()} {
		client := redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = client.Close() })
		var got []string
		kit.Quick(t, 3*time.Second, func() { got = logged(t, client) })
		require.Len(t, got, 2)
		require.Contains(t, got[0], "ContextTimeoutEnabled")
		require.Contains(t, got[1], "cannot read the settings")
	}
}

func TestNew_WarnsOnRing(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": shared.Addr()}})
	t.Cleanup(func() { _ = ring.Close() })
	got := warnings(t, ring)
	require.NotEmpty(t, got)
	require.Contains(t, got[0], "redis.Ring")
}
