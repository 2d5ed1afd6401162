package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// These tests are for errors that a real engine cannot be made to return. See integration/sqlstore for tests on real engines.

// A scripted database returns the next entry of its script for each statement: an error or rows.
type scripted struct {
	mu     sync.Mutex
	script []any
	asked  int
	keys   any   // the keys of the last statement
	end    error // returned after the rows; nil means errCommit
}

// rows have one column each. An empty list means no row.
type rows []driver.Value

func (s *scripted) next(ctx context.Context) (rows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	entry := s.script[0]
	if len(s.script) > 1 { // the last entry is repeated
		s.script = s.script[1:]
	}
	if err, failed := entry.(error); failed {
		return nil, err
	}
	return entry.(rows), nil
}

func (s *scripted) Connect(context.Context) (driver.Conn, error) { return conn{s}, nil }
func (s *scripted) Driver() driver.Driver                        { return nil }

type conn struct{ s *scripted }

func (c conn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not scripted") }
func (c conn) Close() error                        { return nil }
func (c conn) Begin() (driver.Tx, error)           { return tx{}, nil }

func (c conn) QueryContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) > 1 {
		c.s.mu.Lock()
		c.s.keys = args[1].Value
		c.s.mu.Unlock()
	}
	r, err := c.s.next(ctx)
	return &cursor{r, cmp.Or(c.s.end, errCommit)}, err
}

func (c conn) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	r, err := c.s.next(ctx)
	return driver.RowsAffected(len(r)), err
}

type tx struct{}

func (tx) Commit() error   { return nil }
func (tx) Rollback() error { return nil }

type cursor struct {
	left rows
	end  error
}

func (c *cursor) Columns() []string { return []string{"value"} }
func (c *cursor) Close() error      { return nil }
func (c *cursor) Next(dest []driver.Value) error {
	if len(c.left) == 0 {
		return c.end
	}
	dest[0], c.left = c.left[0], c.left[1:]
	return nil
}

// errCommit is returned after the rows, where drivers report an error of the commit.
var errCommit = errors.New("could not be committed")

func open(t *testing.T, d *sqlstore.Dialect, script ...any) (*scripted, *sqlstore.Store) {
	t.Helper()
	s := &scripted{script: script}
	db := sql.OpenDB(s)
	t.Cleanup(func() { db.Close() })
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: d, Namespace: "test"})
	require.NoError(t, err)
	return s, store
}

// A pgError is an error as pgx and lib/pq return it, with the parts that the store uses.
type pgError string

func (e pgError) Error() string    { return "SQLSTATE " + string(e) }
func (e pgError) SQLState() string { return string(e) }

func TestStatementThatFailedForAPassingReasonIsRepeated(t *testing.T) {
	for _, passing := range []struct {
		dialect *sqlstore.Dialect
		err     error
	}{
		{sqlstore.PostgreSQL, pgError("40001")},
		{sqlstore.PostgreSQL, pgError("40P01")},
		{sqlstore.SQLite, errors.New("database is locked (5) (SQLITE_BUSY)")},
		{sqlstore.SQLite, errors.New("sqlite3: database table is locked")},
	} {
		synctest.Test(t, func(t *testing.T) {
			done := rows{int64(1)}
			s, store := open(t, passing.dialect, passing.err, passing.err, done)
			require.NoError(t, store.Complete(t.Context(), "key", idempotency.Token{}))
			require.Equal(t, 3, s.asked)

			s, store = open(t, passing.dialect, passing.err, done)
			require.NoError(t, store.Release(t.Context(), "key", idempotency.Token{}))
			require.Equal(t, 2, s.asked)

			s, store = open(t, passing.dialect, passing.err, done)
			n, err := store.Purge(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, 2, s.asked)

			began := time.Now()
			s, store = open(t, passing.dialect, passing.err)
			_, err = store.Claim(t.Context(), "key", idempotency.Token{}, time.Minute)
			require.ErrorIs(t, err, passing.err)
			require.Less(t, time.Since(began), 1500*time.Millisecond)
			require.Greater(t, time.Since(began), 500*time.Millisecond)
			require.Equal(t, 21, s.asked)
		})
	}
}

func TestStatementIsNotRepeatedForReasonsThatDoNotPass(t *testing.T) {
	for _, test := range []struct {
		dialect *sqlstore.Dialect
		err     error
	}{
		{sqlstore.PostgreSQL, pgError("57P01")},
		{sqlstore.PostgreSQL, errors.New("database is locked")},
		{sqlstore.SQLite, errors.New("disk I/O error")},
	} {
		s, store := open(t, test.dialect, test.err)
		require.ErrorIs(t, store.Complete(t.Context(), "key", idempotency.Token{}), test.err)
		_, err := store.Claim(t.Context(), "key", idempotency.Token{}, time.Minute)
		require.ErrorIs(t, err, test.err)
		require.ErrorIs(t, store.Migrate(t.Context()), test.err)
		require.Equal(t, 3, s.asked)
	}
}

func TestRepeatingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := open(t, sqlstore.PostgreSQL, pgError("40001"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.Error(t, store.Complete(ctx, "key", idempotency.Token{}))
		require.Equal(t, 20*time.Millisecond, time.Since(began))
		require.Less(t, s.asked, 10)
	})
}

func TestClaimThatCouldNotBeCommittedIsAnError(t *testing.T) {
	_, store := open(t, sqlstore.PostgreSQL, rows{int64(1)})
	_, err := store.Claim(t.Context(), "key", idempotency.Token{}, time.Minute)
	require.ErrorIs(t, err, errCommit)
}

func TestOptionsAreChecked(t *testing.T) {
	db := sql.OpenDB(&scripted{})
	defer db.Close()
	good := sqlstore.Options{Dialect: sqlstore.SQLite, Namespace: "billing-2.eu_west"}
	store, err := sqlstore.New(db, &good)
	require.NoError(t, err)
	require.Equal(t, sqlstore.DefaultRetention, store.Retention())

	_, err = sqlstore.New(nil, &good)
	require.ErrorContains(t, err, "the database must not be nil")
	for want, change := range map[string]func(o *sqlstore.Options){
		"Options.Dialect must be sqlstore.PostgreSQL":                         func(o *sqlstore.Options) { o.Dialect = nil },
		`Options.Namespace ("") must be 1 to 64`:                              func(o *sqlstore.Options) { o.Namespace = "" },
		`Options.Namespace ("a/b")`:                                           func(o *sqlstore.Options) { o.Namespace = "a/b" },
		`Options.Table ("keys; DROP TABLE users") must be 1 to 48 lower-case`: func(o *sqlstore.Options) { o.Table = "keys; DROP TABLE users" },
		`Options.Table ("Keys")`:                                              func(o *sqlstore.Options) { o.Table = "Keys" },
		`Options.Table ("a.b.c")`:                                             func(o *sqlstore.Options) { o.Table = "a.b.c" },
		"Options.Retention (-1ns) must not be negative":                       func(o *sqlstore.Options) { o.Retention = -1 },
		"Options.Batch must be false with the dialect SQLite":                 func(o *sqlstore.Options) { o.Batch = true },
	} {
		o := good
		change(&o)
		_, err := sqlstore.New(db, &o)
		require.ErrorContains(t, err, want)
	}
	require.PanicsWithValue(t, `sqlstore: Schema: the table ("x y") must be 1 to 48 lower-case letters, digits and underscores, optionally after a schema and a dot`,
		func() { sqlstore.Schema(sqlstore.SQLite, "x y") })
	require.Contains(t, sqlstore.Schema(sqlstore.SQLite, ""), "CREATE TABLE IF NOT EXISTS aihooks_idempotency (")
	require.Equal(t, "SQLite", sqlstore.SQLite.String())
}

// A poolerError is an error that lib/pq 1.12.3 or pgx 5.12 returned through PgBouncer 1.18 in transaction mode.
type poolerError struct{ text, state string }

func (e poolerError) Error() string    { return e.text }
func (e poolerError) SQLState() string { return e.state }

func TestPooler_ErrorNamesSetting(t *testing.T) {
	for _, c := range []struct {
		err  poolerError
		hint bool
	}{
		{poolerError{`pq: bind message supplies 5 parameters, but prepared statement "" requires 4 (08P01)`, "08P01"}, true},
		{poolerError{`pq: unnamed prepared statement does not exist (26000)`, "26000"}, true},
		{poolerError{`ERROR: prepared statement "stmtcache_e509" already exists (SQLSTATE 42P05)`, "42P05"}, true},
		{poolerError{`FATAL: no such database: hooks (SQLSTATE 08P01)`, "08P01"}, false},
		{poolerError{`ERROR: permission denied for table aihooks_idempotency (SQLSTATE 42501)`, "42501"}, false},
	} {
		_, store := open(t, sqlstore.PostgreSQL, c.err)
		_, claim := store.Claim(t.Context(), "key", idempotency.Token{}, time.Minute)
		_, purge := store.Purge(t.Context(), 1)
		for _, err := range []error{
			claim, purge, store.Complete(t.Context(), "key", idempotency.Token{}), store.Release(t.Context(), "key", idempotency.Token{}), store.Migrate(t.Context()),
		} {
			require.ErrorIs(t, err, c.err)
			if c.hint {
				require.ErrorContains(t, err, "binary_parameters=yes for lib/pq")
			} else {
				require.NotContains(t, err.Error(), "binary_parameters")
			}
		}
	}
}
