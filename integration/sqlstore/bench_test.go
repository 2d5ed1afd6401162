package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
)

// claims compares claims with another function, on the given number of goroutines.
func claims(b *testing.B, goroutines int, ours, theirs string, f, g func() error) {
	benchpair.Measure(b, "per_s", [2]string{ours, theirs},
		func() float64 { return benchpair.PerSecond(b, goroutines, f) },
		func() float64 { return benchpair.PerSecond(b, goroutines, g) })
}

func (e *engine) openForBenchmark(b *testing.B, dsn string) *sql.DB {
	db := e.open(b, dsn)
	if e.name == "SQLite" {
		db.SetMaxOpenConns(1)
	} else {
		db.SetMaxOpenConns(64)
		db.SetMaxIdleConns(64)
	}
	return db
}

// A recorder is a database that records the last query and does nothing.
type recorder struct{ query string }

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return r, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }
func (r *recorder) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (r *recorder) Close() error                                 { return nil }
func (r *recorder) Prepare(query string) (driver.Stmt, error) {
	r.query = query
	return nil, errors.ErrUnsupported
}

// claimStatement returns the statement of a claim.
func claimStatement(d *sqlstore.Dialect) string {
	r := new(recorder)
	store, err := sqlstore.New(sql.OpenDB(r), &sqlstore.Options{Dialect: d, Namespace: "test"})
	if err == nil {
		_, _ = store.Claim(context.Background(), "key", idempotency.Token{}, time.Minute)
	}
	return r.query
}

func newKey() string { return "workflux/default/content/" + idempotency.NewToken().String() }

func mustAcquire(store *sqlstore.Store) func() error {
	return func() error {
		claim, err := store.Claim(context.Background(), newKey(), idempotency.NewToken(), time.Minute)
		if err == nil && claim.State != idempotency.Acquired {
			err = fmt.Errorf("the claim of a new key returned %q", claim.State)
		}
		return err
	}
}

// The floor is the same statement through database/sql, without the store.
func BenchmarkClaim(b *testing.B) {
	for _, e := range engines {
		for _, goroutines := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", e.name, goroutines), func(b *testing.B) {
				db := e.openForBenchmark(b, e.dsn(b))
				store := e.store(b, db, 0)
				statement := claimStatement(e.dialect)
				require.NotEmpty(b, statement)
				floor := func() error {
					token := idempotency.NewToken()
					var attempt int
					return db.QueryRowContext(context.Background(), statement, "floor", newKey(), token[:], int64(60_000), int64(600_000)).Scan(&attempt)
				}
				claims(b, goroutines, "claims", "floor", mustAcquire(store), floor)
			})
		}
	}
}

// The ratio compares a store with 1,000,000 completed keys with a store with 1,000.
func BenchmarkClaimByNumberOfKeys(b *testing.B) {
	fill := map[string]string{
		"PostgreSQL": `INSERT INTO %s SELECT 'test', 'workflux/default/content/' || md5(n::text), 2, '\x00', 1, now(), now() + interval '1 day' + n * interval '1 ms' FROM generate_series(1, %d) n; ANALYZE %[1]s`,
		"SQLite": `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %[2]d)
			INSERT INTO %[1]s SELECT 'test', 'workflux/default/content/' || lower(hex(randomblob(16))), 2, x'00', 1, 0, unixepoch() * 1000 + 86400000 + n FROM c`,
	}
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			db := e.openForBenchmark(b, e.dsn(b))
			with := func(table string, keys int) *sqlstore.Store {
				store, err := sqlstore.New(db, &sqlstore.Options{Dialect: e.dialect, Namespace: "test", Table: table})
				require.NoError(b, err)
				require.NoError(b, store.Migrate(context.Background()))
				_, err = db.Exec(fmt.Sprintf(fill[e.name], table, keys))
				require.NoError(b, err)
				return store
			}
			few, many := with("few", 1000), with("many", 1_000_000)
			claimFew := mustAcquire(few)
			var claimed atomic.Int64
			claims(b, 1, "many", "few", mustAcquire(many), func() error {
				if claimed.Add(1)%500 == 0 { // so that the small store stays small
					_, err := db.Exec(`DELETE FROM few WHERE state = 1`)
					return err
				}
				return claimFew()
			})
		})
	}
}
