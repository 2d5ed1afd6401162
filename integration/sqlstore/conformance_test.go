package sqlstore_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

func TestStoreKeepsEveryRule(t *testing.T) { //nolint:tparallel // beside one another, and beside no other test
	for _, test := range []struct {
		name   string
		engine *engine
		batch  bool
		change func(dsn string) string
	}{
		{"PostgreSQL", engines[0], false, nil},
		{"PostgreSQL, repeatable read", engines[0], false, func(dsn string) string { return dsn + `&default_transaction_isolation=repeatable%20read` }},
		{"PostgreSQL, serializable", engines[0], false, func(dsn string) string { return dsn + "&default_transaction_isolation=serializable" }},
		{"PostgreSQL, without prepared statements", engines[0], false, func(dsn string) string { return dsn + "&default_query_exec_mode=exec" }},
		{"PostgreSQL in batches", engines[0], true, nil},
		{"PostgreSQL in batches, repeatable read", engines[0], true, func(dsn string) string { return dsn + `&default_transaction_isolation=repeatable%20read` }},
		{"PostgreSQL in batches, serializable", engines[0], true, func(dsn string) string { return dsn + "&default_transaction_isolation=serializable" }},
		{"PostgreSQL in batches, without prepared statements", engines[0], true, func(dsn string) string { return dsn + "&default_query_exec_mode=exec" }},
		{"SQLite", engines[1], false, nil},
		{"SQLite, without a busy timeout", engines[1], false, func(dsn string) string { return strings.Replace(dsn, "busy_timeout(900)", "busy_timeout(0)", 1) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			dsn := test.engine.dsn(t)
			if test.change != nil {
				dsn = test.change(dsn)
			}
			db := test.engine.open(t, dsn)
			var cases atomic.Int64
			idempotencytest.Run(t, idempotencytest.Options{
				Retention: time.Second,
				New: func(t testing.TB, retention time.Duration) idempotency.Store {
					store, err := sqlstore.New(db, sqlstore.Options{
						Dialect: test.engine.dialect, Retention: retention, Batch: test.batch,
						Namespace: fmt.Sprint("case-", cases.Add(1)), // which is as good as a database of its own
					})
					require.NoError(t, err)
					require.NoError(t, store.Migrate(t.Context()))
					return store
				},
			})
		})
	}
}
