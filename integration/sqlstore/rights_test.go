package sqlstore_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// limited opens a database as a user that may only read and write the rows of existing tables.
func limited(t *testing.T, admin *sql.DB, dsn string, schemas ...string) *sql.DB {
	t.Helper()
	user := "limited_" + query[string](t, admin, `SELECT current_database()::text`)
	statements := []string{"CREATE ROLE " + user + " LOGIN"}
	for _, schema := range schemas {
		statements = append(statements,
			fmt.Sprintf("REVOKE ALL ON SCHEMA %s FROM PUBLIC", schema), fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", schema, user),
			fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", schema, user))
	}
	for _, statement := range statements {
		_, err := admin.Exec(statement)
		require.NoError(t, err)
	}
	return engines[0].open(t, strings.Replace(dsn, "user=postgres", "user="+user, 1))
}

// TestMigrate_NeedsNoRightsWithTable also checks that a store needs only SELECT, INSERT, UPDATE and DELETE.
func TestMigrate_NeedsNoRightsWithTable(t *testing.T) {
	const layoutIndex = `CREATE INDEX an_index_of_another_name ON aihooks_idempotency (expires_at)`
	for name, c := range map[string]struct {
		table  string
		schema []string
	}{
		"made by Schema":         {"", []string{sqlstore.Schema(sqlstore.PostgreSQL, "")}},
		"in another schema":      {"hooks.seen", []string{sqlstore.Schema(sqlstore.PostgreSQL, "hooks.seen")}},
		"index of another name":  {"", append(strings.SplitAfterN(sqlstore.Schema(sqlstore.PostgreSQL, ""), ";", 2)[:1], layoutIndex)},
		"reached by search path": {"seen", []string{sqlstore.Schema(sqlstore.PostgreSQL, "hooks.seen"), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, hooks', current_database()); END $$`}},
		"table of another's make": {"", []string{sqlstore.Schema(sqlstore.PostgreSQL, ""), `DO $$ BEGIN
    EXECUTE format('CREATE ROLE maker_%s', current_database());
    EXECUTE format('ALTER TABLE aihooks_idempotency OWNER TO maker_%s', current_database());
END $$`}},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := engines[0].dsn(t)
			admin := engines[0].open(t, dsn)
			for _, statement := range append([]string{"CREATE SCHEMA hooks"}, c.schema...) {
				_, err := admin.Exec(statement)
				require.NoError(t, err)
			}
			for _, batch := range []bool{false, true} {
				store, err := sqlstore.New(limited(t, admin, dsn, "public", "hooks"), &sqlstore.Options{
					Dialect: sqlstore.PostgreSQL, Namespace: fmt.Sprint("batch-", batch), Table: c.table, Batch: batch,
				})
				require.NoError(t, err)
				require.NoError(t, store.Migrate(t.Context()))
				token := claim(t, store, "key", idempotency.Acquired)
				require.NoError(t, store.Renew(t.Context(), "key", token, time.Hour))
				require.NoError(t, store.Complete(t.Context(), "key", token))
				require.NoError(t, store.Release(t.Context(), "other", claim(t, store, "other", idempotency.Acquired)))
				claim(t, store, "key", idempotency.Completed)
				_, err = store.Purge(t.Context(), 1)
				require.NoError(t, err)
				_, err = admin.Exec("DROP OWNED BY limited_" + query[string](t, admin, `SELECT current_database()::text`))
				require.NoError(t, err)
				_, err = admin.Exec("DROP ROLE limited_" + query[string](t, admin, `SELECT current_database()::text`))
				require.NoError(t, err)
			}
		})
	}
}

func TestMigrate_NamesMissingRight(t *testing.T) {
	dsn := engines[0].dsn(t)
	admin := engines[0].open(t, dsn)
	_, err := admin.Exec("CREATE SCHEMA hooks")
	require.NoError(t, err)
	db := limited(t, admin, dsn, "public", "hooks")
	for _, table := range []string{"", "hooks.seen"} {
		store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Table: table})
		require.NoError(t, err)
		require.ErrorContains(t, store.Migrate(t.Context()), "permission denied for schema")
	}
}

// TestMigrate_MakesNoSecondTable checks that no second table in the first schema of the search path hides the existing one.
func TestMigrate_MakesNoSecondTable(t *testing.T) {
	dsn := engines[0].dsn(t)
	db := engines[0].open(t, dsn)
	store := engines[0].store(t, db, 0)
	require.NoError(t, store.Complete(t.Context(), "key", claim(t, store, "key", idempotency.Acquired)))
	_, err := db.Exec("CREATE SCHEMA newer")
	require.NoError(t, err)
	later := engines[0].store(t, engines[0].open(t, dsn+"&search_path=newer,public"), 0)
	claim(t, later, "key", idempotency.Completed)
	require.Equal(t, 1, query[int](t, db, `SELECT count(*) FROM pg_class WHERE relname = 'aihooks_idempotency'`))
}

func TestMigrate_MakesMissingIndex(t *testing.T) {
	db := engines[0].open(t, engines[0].dsn(t))
	for range 2 {
		engines[0].store(t, db, 0)
		require.Equal(t, 1, query[int](t, db, `SELECT count(*) FROM pg_indexes WHERE indexname = 'aihooks_idempotency_expires_at'`))
		_, err := db.Exec(`DROP INDEX aihooks_idempotency_expires_at`)
		require.NoError(t, err)
	}
}
