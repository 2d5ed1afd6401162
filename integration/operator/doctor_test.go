//go:build unix

package operator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
)

type finding struct{ Check, Result, Found, Fix string }

// doctor returns a finding of the tool's doctor. Nothing listens at the endpoint, so the checks of the endpoint fail.
func doctor(t *testing.T, check string, flags ...string) finding {
	t.Helper()
	c := exec.Command(tool, append([]string{"doctor", "workflux", "--url", "http://127.0.0.1:1", "--json"}, flags...)...)
	c.Env = append(c.Environ(), "WORKFLUX_WEBHOOK_SECRET=a-secret-of-enough-length")
	var text bytes.Buffer
	c.Stderr = &text
	out, err := c.Output()
	require.Error(t, err, "the endpoint is a problem")
	require.Equal(t, 1, c.ProcessState.ExitCode(), text.String())
	var result struct{ Checks []finding }
	require.NoError(t, json.Unmarshal(out, &result), "%s", out)
	for _, f := range result.Checks {
		if f.Check == check {
			return f
		}
	}
	require.Fail(t, "no such check", check)
	return finding{}
}

func TestDoctor_ChecksSettingsOfEngine(t *testing.T) {
	policy := inbox.Policy{Logger: slog.New(slog.DiscardHandler)}
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			_, from := e.open(t, policy)
			require.Equal(t, "ok", doctor(t, "inbox", "--from", from).Result)
			f := doctor(t, "inbox-settings", "--from", from)
			if e.name != "jetstream" {
				require.Equal(t, "ok", f.Result, f.Found)
				return
			}
			require.Equal(t, "warning", f.Result)
			require.Contains(t, f.Found, "The stream has 1 of 3 replicas.")
			require.Contains(t, f.Fix, "sync_interval: always")
		})
	}
	dsn := pgtest.Shared(t).Database(t)
	f := doctor(t, "store-settings", "--store", with(dsn, "synchronous_commit=off"))
	require.Equal(t, "problem", f.Result)
	require.Contains(t, f.Found, "synchronous_commit is off")
	require.Equal(t, "ok", doctor(t, "store-settings", "--store", dsn).Result)
	require.Equal(t, "problem", doctor(t, "inbox", "--from", "river:"+dsn).Result, "there are no tables")
}

func TestDoctor_ChecksRetentionOfStore(t *testing.T) {
	dsn := pgtest.Shared(t).Database(t)
	retention := func(address string) finding { return doctor(t, "store-retention", "--store", address) }
	require.Equal(t, "skipped", retention(dsn).Result, "there is no table")
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	_, err = db.ExecContext(t.Context(), sqlstore.Schema(sqlstore.PostgreSQL, ""))
	require.NoError(t, err)
	client := redis.NewClient(&redis.Options{Addr: redistest.New(t).Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	for address, open := range map[string]func(kept time.Duration) (idempotency.Store, error){
		dsn: func(kept time.Duration) (idempotency.Store, error) {
			return sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "billing", Retention: kept})
		},
		"redis://" + client.Options().Addr: func(kept time.Duration) (idempotency.Store, error) {
			return redisstore.New(client, &redisstore.Options{Namespace: "billing", Retention: kept})
		},
	} {
		for _, step := range []struct {
			kept time.Duration
			want string
		}{{0, "skipped"}, {10 * time.Minute, "warning"}, {24 * time.Hour, "ok"}} { // WorkFlux sends again for 81 minutes
			store, err := open(step.kept)
			require.NoError(t, err)
			_, err = store.Claim(t.Context(), fmt.Sprint("running ", step.kept), idempotency.NewToken(), time.Hour) // does not count
			require.NoError(t, err)
			if step.kept > 0 {
				key, token := fmt.Sprint("done ", step.kept), idempotency.NewToken()
				_, err = store.Claim(t.Context(), key, token, time.Hour)
				require.NoError(t, err)
				require.NoError(t, store.Complete(t.Context(), key, token))
			}
			f := retention(address)
			require.Equal(t, step.want, f.Result, f.Found)
		}
	}
}

func with(dsn, parameter string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + parameter
	}
	return dsn + "?" + parameter
}

func TestDoctor_ChecksRedis(t *testing.T) {
	safe := []string{"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"}
	f := doctor(t, "store-settings", "--store", "redis://"+redistest.New(t, safe...).Addr())
	require.Equal(t, "ok", f.Result, f.Found)
	f = doctor(t, "store-settings", "--store", "redis://"+redistest.New(t, append(safe[:5:5], "allkeys-lru")...).Addr())
	require.Equal(t, "warning", f.Result)
	require.Contains(t, f.Found, "maxmemory-policy is allkeys-lru")
	require.Equal(t, "problem", doctor(t, "store-settings", "--store", "redis://127.0.0.1:1").Result)
}
