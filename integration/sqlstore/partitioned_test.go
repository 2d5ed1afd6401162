package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// layouts are partitioned tables in which rows of different partitions have the same ctid.
var layouts = map[string][]string{
	"hash of the key": {
		"PARTITION BY HASH (namespace, key)",
		"CREATE TABLE part_0 PARTITION OF aihooks_idempotency FOR VALUES WITH (MODULUS 3, REMAINDER 0)",
		"CREATE TABLE part_1 PARTITION OF aihooks_idempotency FOR VALUES WITH (MODULUS 3, REMAINDER 1)",
		"CREATE TABLE part_2 PARTITION OF aihooks_idempotency FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
	},
	"list of namespaces": {
		"PARTITION BY LIST (namespace)",
		"CREATE TABLE part_test PARTITION OF aihooks_idempotency FOR VALUES IN ('test')",
		"CREATE TABLE part_rest PARTITION OF aihooks_idempotency DEFAULT",
	},
	"partitions of partitions": {
		"PARTITION BY LIST (namespace)",
		"CREATE TABLE part_test PARTITION OF aihooks_idempotency FOR VALUES IN ('test') PARTITION BY RANGE (key)",
		"CREATE TABLE part_test_low PARTITION OF part_test FOR VALUES FROM (MINVALUE) TO ('key-2')",
		"CREATE TABLE part_test_high PARTITION OF part_test FOR VALUES FROM ('key-2') TO (MAXVALUE)",
		"CREATE TABLE part_rest PARTITION OF aihooks_idempotency DEFAULT",
	},
}

func onEachLayout(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Helper()
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			db := engines[0].open(t, engines[0].dsn(t))
			table, index, _ := strings.Cut(sqlstore.Schema(sqlstore.PostgreSQL, ""), ";\n\n")
			for _, statement := range append([]string{table + layout[0], index}, layout[1:]...) {
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
			f(t, db)
		})
	}
}

func TestPartitionedTable_PurgesNoLiveKey(t *testing.T) {
	onEachLayout(t, func(t *testing.T, db *sql.DB) {
		store := engines[0].store(t, db, 0)
		other, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "other"})
		require.NoError(t, err)
		const n = 40
		for i := range n {
			claim(t, store, fmt.Sprint("key-", i), idempotency.Acquired)
			claim(t, store, fmt.Sprint("key-expired-", i), idempotency.Acquired)
			for j := range 3 { // enough rows to reuse the ctid of each expired row, which an update has moved
				claim(t, other, fmt.Sprint("key-", i, "-", j), idempotency.Acquired)
			}
		}
		_, err = db.Exec(`UPDATE aihooks_idempotency SET expires_at = clock_timestamp() - interval '1 day' WHERE key LIKE 'key-expired-%'`)
		require.NoError(t, err)
		for _, want := range []int{30, 10, 0} {
			purged, err := store.Purge(t.Context(), 30)
			require.NoError(t, err)
			require.Equal(t, want, purged)
		}
		require.Equal(t, 4*n, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency`))
		for i := range n {
			claim(t, store, fmt.Sprint("key-", i), idempotency.InFlight)
			claim(t, other, fmt.Sprint("key-", i, "-0"), idempotency.InFlight)
		}
	})
}

func TestPartitionedTable_BatchCompletesOnlyItsKeys(t *testing.T) {
	onEachLayout(t, func(t *testing.T, db *sql.DB) {
		other, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "other"})
		require.NoError(t, err)
		plain := engines[0].store(t, db, 0)
		const n = 20
		tokens := make([]idempotency.Token, n)
		for i := range n {
			tokens[i] = claim(t, plain, fmt.Sprint("key-", i), idempotency.Acquired)
			claim(t, plain, fmt.Sprint("key-still-", i), idempotency.Acquired)
			claim(t, other, fmt.Sprint("key-", i), idempotency.Acquired)
		}
		store, open := inBatches(t, db)
		ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
		defer cancel()
		errs := make(chan error)
		for i := range n {
			go func() { errs <- store.Complete(ctx, fmt.Sprint("key-", i), tokens[i]) }()
		}
		time.AfterFunc(50*time.Millisecond, open) // so that most calls are in one batch
		for range n {
			require.NoError(t, <-errs)
		}
		for i := range n {
			claim(t, plain, fmt.Sprint("key-", i), idempotency.Completed)
			claim(t, plain, fmt.Sprint("key-still-", i), idempotency.InFlight)
			claim(t, other, fmt.Sprint("key-", i), idempotency.InFlight)
		}
	})
}
