package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// readOnly makes a server refuse writes on its connections, as some administrators and managed services do.
func readOnly(t *testing.T, server *pgtest.Server) {
	t.Helper()
	admin := engines[0].open(t, server.DSN("postgres"))
	for _, statement := range []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"} {
		_, err := admin.Exec(statement)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return query[string](t, admin, "SHOW default_transaction_read_only") == "on"
	}, kit.Patience, 10*time.Millisecond)
}

// fill makes the pool keep n idle connections.
func fill(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	var conns []*sql.Conn
	for range n {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.PingContext(t.Context()))
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	require.Equal(t, n, db.Stats().Idle)
}

// TestFailover_NextCallReachesNewPrimary tests a pool with connections to a server that refuses writes. New connections
// reach another server.
func TestFailover_NextCallReachesNewPrimary(t *testing.T) {
	t.Parallel()
	newer := pgtest.Shared(t)
	engines[0].store(t, engines[0].open(t, newer.DSN("postgres")), 0)
	for name, demote := range map[string]func(t *testing.T, server *pgtest.Server){
		"read-only": readOnly,
		"standby":   func(t *testing.T, server *pgtest.Server) { require.NoError(t, server.Demote()) },
	} {
		older := pgtest.New(t)
		engines[0].store(t, engines[0].open(t, older.DSN("postgres")), 0)
		demote(t, older)
		for _, c := range []struct {
			name          string
			batch         bool
			callers, idle int
		}{
			{"one caller", false, 1, 8},
			{"callers at once", false, 16, 8},
			{"pool of one connection", false, 4, 1},
			{"batches", true, 16, 8},
		} {
			t.Run(name+", "+c.name, func(t *testing.T) {
				link := newLink(t, older)
				db := engines[0].open(t, older.DSNThrough(link.dir, "postgres"))
				fill(t, db, c.idle)
				link.server.Store(newer)
				store, err := sqlstore.New(db, &sqlstore.Options{
					Dialect: sqlstore.PostgreSQL, Namespace: idempotency.NewToken().String(), Batch: c.batch,
				})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
				defer cancel()
				var all sync.WaitGroup
				errs := make([]error, c.callers)
				for i := range c.callers {
					all.Go(func() {
						key, token := fmt.Sprint("key-", i), idempotency.NewToken()
						if _, errs[i] = store.Claim(ctx, key, token, time.Minute); errs[i] == nil {
							errs[i] = store.Complete(ctx, key, token)
						}
					})
				}
				all.Wait()
				require.Equal(t, make([]error, c.callers), errs)
				require.NoError(t, store.Migrate(ctx))
				_, err = store.Purge(ctx, 1)
				require.NoError(t, err)
			})
		}
	}
}

// TestFailover_ReportsReadOnlyServer tests a server that stays read-only. The error must report it, and a call must not
// open connections without limit.
func TestFailover_ReportsReadOnlyServer(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	db := engines[0].open(t, server.DSN("postgres"))
	store := engines[0].store(t, db, 0)
	readOnly(t, server)
	fill(t, db, 4)
	for range 2 {
		_, err := store.Claim(t.Context(), "key", idempotency.NewToken(), time.Minute)
		require.ErrorContains(t, err, "25006")
		require.ErrorContains(t, store.Release(t.Context(), "key", idempotency.NewToken()), "25006")
	}
	require.NoError(t, store.Migrate(t.Context()), "there is nothing to write")
	require.LessOrEqual(t, db.Stats().OpenConnections, 1, "connections kept to a server that refuses writes")
	sent := strings.Count(server.Log(), "in a read-only transaction")
	require.LessOrEqual(t, sent, 4+4*5, "statements of four calls: each on the kept connections, and on three new ones")
}

// TestFailover_StandbyPromotedInPlace checks that the same connections work after the server is promoted.
func TestFailover_StandbyPromotedInPlace(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	engines[0].store(t, engines[0].open(t, server.DSN("postgres")), 0)
	require.NoError(t, server.Demote())
	db := engines[0].open(t, server.DSN("postgres"))
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test"})
	require.NoError(t, err)
	_, err = store.Claim(t.Context(), "key", idempotency.NewToken(), time.Minute)
	require.ErrorContains(t, err, "25006")
	require.NoError(t, server.Promote())
	claim(t, store, "key", idempotency.Acquired)
}

// TestFailover_PgxPoolWithAfterRelease tests the advice of the package documentation for stdlib.OpenDBFromPool.
func TestFailover_PgxPoolWithAfterRelease(t *testing.T) {
	t.Parallel()
	newer := pgtest.Shared(t)
	engines[0].store(t, engines[0].open(t, newer.DSN("postgres")), 0)
	older := pgtest.New(t)
	link := newLink(t, older)
	config, err := pgxpool.ParseConfig(older.DSNThrough(link.dir, "postgres"))
	require.NoError(t, err)
	config.MinConns = 4
	config.AfterRelease = func(conn *pgx.Conn) bool {
		server := conn.PgConn()
		return server.ParameterStatus("in_hot_standby") != "on" && server.ParameterStatus("default_transaction_read_only") != "on"
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	kit.Eventually(t, func() bool { return pool.Stat().IdleConns() >= 4 })
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	store := engines[0].store(t, db, 0)
	claim(t, store, "before", idempotency.Acquired)
	readOnly(t, older)
	link.server.Store(newer)
	failed := 0
	for range 8 {
		key := idempotency.NewToken().String()
		if _, err := store.Claim(t.Context(), key, idempotency.NewToken(), time.Minute); err != nil {
			require.ErrorContains(t, err, "25006")
			failed++
		}
	}
	require.LessOrEqual(t, failed, 1, "two calls try more than four connections")
	claim(t, store, idempotency.NewToken().String(), idempotency.Acquired)
}
