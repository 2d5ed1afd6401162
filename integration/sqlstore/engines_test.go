package sqlstore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// An engine is a database to test on.
type engine struct {
	name    string
	dialect *sqlstore.Dialect
	driver  string
	dsn     func(t testing.TB) string // the DSN of a new database

	endLeases string // the statement that ends the leases of all claims
}

var engines = []*engine{
	{"PostgreSQL", sqlstore.PostgreSQL, "pgx", func(t testing.TB) string { return pgtest.Shared(t).Database(t) }, `UPDATE aihooks_idempotency SET lease_until = clock_timestamp() - interval '1 second'`},
	{"SQLite", sqlstore.SQLite, "sqlite", func(t testing.TB) string { return sqliteDSN(filepath.Join(t.TempDir(), "store.db")) }, `UPDATE aihooks_idempotency SET lease_until = unixepoch() * 1000 - 1000`},
}

func sqliteDSN(path string) string {
	return "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(900)&_txlock=immediate"
}

// onEach runs f on a new database of each engine.
func onEach(t *testing.T, f func(t *testing.T, e *engine, dsn string)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(t, e, e.dsn(t)) })
	}
}

func (e *engine) open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(e.driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// store returns a store in db and creates its table.
func (e *engine) store(t testing.TB, db *sql.DB, retention time.Duration) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "test", Retention: retention})
	require.NoError(t, err)
	require.NoError(t, store.Migrate(context.Background()))
	return store
}

// workersStore returns the store that the test has assigned to this worker.
func workersStore() (*sql.DB, *sqlstore.Store) {
	for _, e := range engines {
		if e.name == os.Getenv("ENGINE") {
			db, err := sql.Open(e.driver, os.Getenv("DSN"))
			check(err)
			store, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "test"})
			check(err)
			return db, store
		}
	}
	panic("no such engine")
}

func query[T any](t testing.TB, db *sql.DB, q string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, db.QueryRow(q, args...).Scan(&v))
	return v
}

// acquireLease acquires keys through a guard, as a handler does, and returns the context of the callback.
func acquireLease(t testing.TB, store idempotency.Store, lease time.Duration, keys ...string) (context.Context, *idempotency.Lease) {
	t.Helper()
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
	require.NoError(t, err)
	h, claim, err := guard.Acquire(context.Background(), idempotency.ClaimRequest{Keys: keys, Lease: lease})
	require.NoError(t, err)
	require.Equal(t, idempotency.Acquired, claim.State)
	return h.Context(context.Background()), h
}
