package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func migrateWorker() error {
	_, store := workersStore()
	fmt.Println("ready")
	_, _ = fmt.Scanln()
	check(store.Migrate(context.Background()))
	fmt.Println("done")
	return nil
}

func TestMigrate_RunsInManyProcessesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		list := make([]*kit.Process, 6)
		for i := range list {
			list[i] = startWorker(t, "migrates", e, dsn)
		}
		for _, w := range list {
			require.Equal(t, "ready", w.Line(t))
		}
		for _, w := range list {
			_, err := fmt.Fprintln(w.Stdin)
			require.NoError(t, err)
		}
		for _, w := range list {
			require.Equal(t, "done", w.Line(t))
		}
		claim(t, e.store(t, e.open(t, dsn), 0), "key", idempotency.Acquired)
	})
}

func TestMigrate_RunsInManyGoroutinesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		for i := range 5 {
			store, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "test", Table: fmt.Sprint("keys_", i)})
			require.NoError(t, err)
			errs := make(chan error)
			for range 8 {
				go func() { errs <- store.Migrate(context.Background()) }()
			}
			for range 8 {
				require.NoError(t, <-errs)
			}
		}
	})
}

func TestSchema_CreatesUsableTable(t *testing.T) {
	schemas := map[string]string{"PostgreSQL": "hooks", "SQLite": "main"}
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		if e.name == "PostgreSQL" {
			_, err := db.Exec("CREATE SCHEMA hooks")
			require.NoError(t, err)
		}
		for _, table := range []string{"", "seen", schemas[e.name] + ".seen_too"} {
			for range 2 {
				_, err := db.Exec(sqlstore.Schema(e.dialect, table))
				require.NoError(t, err)
			}
			store, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "test", Table: table})
			require.NoError(t, err)
			claim(t, store, "key", idempotency.Acquired)
			require.NoError(t, store.Migrate(context.Background()), "the table exists already")
			claim(t, store, "key", idempotency.InFlight)
			_, err = store.Purge(context.Background(), 1)
			require.NoError(t, err)
		}
	})
}

func TestNamespace_SeparatesKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		store := e.store(t, db, 0)
		other, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "Test"})
		require.NoError(t, err)
		token := claim(t, store, "key", idempotency.Acquired)
		claim(t, other, "key", idempotency.Acquired)
		require.NoError(t, store.Complete(t.Context(), "key", token))
		require.ErrorIs(t, other.Complete(t.Context(), "key", token), idempotency.ErrLeaseLost)
		claim(t, other, "key", idempotency.InFlight)
		claim(t, store, "key", idempotency.Completed)
	})
}

func TestStore_RefusesInvalidKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		store := e.store(t, e.open(t, dsn), 0)
		for _, key := range []string{"a\x00b", "\xff", string(make([]byte, sqlstore.MaxKey+1))} {
			_, err := store.Claim(t.Context(), key, idempotency.NewToken(), time.Hour)
			require.ErrorContains(t, err, "sqlstore: the key ")
			require.ErrorContains(t, store.Complete(t.Context(), key, idempotency.NewToken()), "sqlstore: the key ")
			require.ErrorContains(t, store.Release(t.Context(), key, idempotency.NewToken()), "sqlstore: the key ")
		}
	})
}

func TestPurge_DeletesOnlyExpiredKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		short, long := e.store(t, db, 20*time.Millisecond), e.store(t, db, 0)
		for i := range 10 {
			key := fmt.Sprint("expired-", i)
			require.NoError(t, short.Complete(t.Context(), key, claim(t, short, key, idempotency.Acquired)))
		}
		claim(t, short, "in flight", idempotency.Acquired)
		require.NoError(t, long.Release(t.Context(), "released", claim(t, long, "released", idempotency.Acquired)))
		require.NoError(t, long.Complete(t.Context(), "completed", claim(t, long, "completed", idempotency.Acquired)))
		time.Sleep(60 * time.Millisecond)

		for _, want := range []int{4, 4, 2, 0} {
			n, err := long.Purge(t.Context(), 4)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		claim(t, long, "in flight", idempotency.InFlight)
		claim(t, long, "completed", idempotency.Completed)
		require.Equal(t, 3, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency`))
		_, err := long.Purge(t.Context(), 0)
		require.ErrorContains(t, err, "must be positive")
	})
}

func TestClaim_PurgesExpiredKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		store := e.store(t, db, 20*time.Millisecond)
		const n = 3 * sqlstore.PurgeEvery
		for i := range n {
			key := fmt.Sprint("expired-", i)
			require.NoError(t, store.Complete(t.Context(), key, claim(t, store, key, idempotency.Acquired)))
		}
		time.Sleep(sqlstore.PurgePause + 60*time.Millisecond) // a purge may have found few expired keys
		for i := range n {
			claim(t, store, fmt.Sprint("new-", i), idempotency.Acquired)
		}
		require.Equal(t, n, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency`), "the new keys")
	})
}

func TestPurge_SkipsLockedRow(t *testing.T) {
	e, dsn := engines[0], engines[0].dsn(t) // SQLite has no locks on rows
	db := e.open(t, dsn)
	store := e.store(t, db, time.Millisecond)
	for _, key := range []string{"a", "b"} {
		require.NoError(t, store.Complete(t.Context(), key, claim(t, store, key, idempotency.Acquired)))
	}
	time.Sleep(20 * time.Millisecond)
	tx, err := db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec(`SELECT FROM aihooks_idempotency WHERE key = 'a' FOR UPDATE`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	n, err := store.Purge(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
