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
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

const (
	repeatableRead = `&default_transaction_isolation=repeatable%20read`
	serializable   = "&default_transaction_isolation=serializable"
	unprepared     = "&default_query_exec_mode=exec"
)

func TestConformance_KeepsStoreRules(t *testing.T) { //nolint:tparallel // its subtests run in parallel, but not with other tests
	impatient := *engines[1]
	impatient.dsn = func(t testing.TB) string {
		return strings.Replace(engines[1].dsn(t), "busy_timeout(900)", "busy_timeout(0)", 1)
	}
	for _, test := range []struct {
		name   string
		engine *engine
		batch  bool
		extra  string // of the DSN
		long   bool   // only with AIHOOKS_TEST_LONG, because other cases have each of its properties
	}{
		{"PostgreSQL", engines[0], false, "", false},
		{"PostgreSQL, repeatable read", engines[0], false, repeatableRead, true},
		{"PostgreSQL, serializable", engines[0], false, serializable, false},
		{"PostgreSQL, without prepared statements", engines[0], false, unprepared, true},
		{"PostgreSQL in batches", engines[0], true, "", true},
		{"PostgreSQL in batches, repeatable read", engines[0], true, repeatableRead, false},
		{"PostgreSQL in batches, serializable", engines[0], true, serializable, true},
		{"PostgreSQL in batches, without prepared statements", engines[0], true, unprepared, false},
		{"SQLite", engines[1], false, "", false},
		{"SQLite, without a busy timeout", &impatient, false, "", false},
	} {
		if test.long && !kit.Full() {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			shared := test.engine.open(t, test.engine.dsn(t)+test.extra)
			shared.SetMaxOpenConns(16) // the server allows 200 in total
			if test.engine == &impatient {
				shared.SetMaxOpenConns(4) // a writer gives up after a second, within which all others must have written
			}
			test.engine.store(t, shared, 0)
			var cases atomic.Int64
			idempotencytest.Run(t, idempotencytest.Options{
				Around: atOnce,
				// Long enough for a busy machine to check in time.
				Retention: 4 * time.Second, Lease: 1500 * time.Millisecond, Slack: time.Second,
				New: func(t testing.TB, retention time.Duration) idempotency.Store {
					db := shared
					if test.engine.dialect == sqlstore.SQLite { // a file allows one writer, so each case has its own file
						db = test.engine.open(t, test.engine.dsn(t)+test.extra)
						test.engine.store(t, db, 0)
					}
					store, err := sqlstore.New(db, &sqlstore.Options{
						Dialect: test.engine.dialect, Retention: retention, Batch: test.batch,
						Namespace: fmt.Sprint("case-", cases.Add(1)), // as good as a separate database
					})
					require.NoError(t, err)
					return store
				},
			})
		})
	}
}

// atOnce runs the cases of a suite in parallel, because they mostly wait.
func atOnce(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	f(t)
}
