package sqlstore_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

const renewedLease = crashtest.RenewedLease

func renewWorker() error {
	_, store := workersStore()
	return crashtest.HoldKey(store)
}

func retakeWorker() error {
	_, store := workersStore()
	return crashtest.RetakeKey(store)
}

func TestRenewal_KeepsKeyFromOtherProcess(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		t.Parallel() // it mostly waits
		db := e.open(t, dsn)
		e.store(t, db, 0)
		in := func(role string) func(...string) *kit.Process {
			return func(env ...string) *kit.Process { return startWorker(t, role, e, dsn, env...) }
		}
		key := crashtest.RequireRenewal(t, in("renews"), in("retakes"))
		require.Equal(t, 1, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE key = $1 AND state = 2`, key))
	})
}

// TestRenewal_AllowsWorkAfterCompleteTx runs work for longer than its lease after it has committed.
func TestRenewal_AllowsWorkAfterCompleteTx(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		store := e.store(t, db, 0)
		guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
		require.NoError(t, err)
		lease, _, err := guard.Acquire(t.Context(), idempotency.ClaimRequest{
			Keys: []string{"key"}, Lease: 10 * renewedLease, RenewUntil: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		ctx, first := lease.Context(t.Context()), lease.Until()
		tx, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, store.CompleteTx(ctx, tx))
		require.NoError(t, tx.Commit())
		require.Eventually(t, func() bool { return lease.Until().After(first) || ctx.Err() != nil }, kit.Patience, 10*time.Millisecond, "a renewal")
		require.NoError(t, ctx.Err())
		claim(t, store, "key", idempotency.Completed)
		require.NoError(t, lease.Complete(t.Context()))
	})
}

// TestRenewal_FailsSnapshotOfTransaction checks that a transaction with a snapshot from before a renewal must be repeated.
func TestRenewal_FailsSnapshotOfTransaction(t *testing.T) {
	e, dsn := engines[0], engines[0].dsn(t) // SQLite has only one isolation level, and one writer
	db := e.open(t, dsn)
	store := e.store(t, db, 0)
	_, err := db.Exec(`CREATE TABLE effects (key TEXT NOT NULL)`)
	require.NoError(t, err)
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
	require.NoError(t, err)
	for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		lease, _, err := guard.Acquire(t.Context(), idempotency.ClaimRequest{
			Keys: []string{level.String()}, Lease: 10 * renewedLease, RenewUntil: time.Now().Add(time.Hour),
		})
		require.NoError(t, err)
		ctx := lease.Context(t.Context())
		tx := begin(t, db, &sql.TxOptions{Isolation: level})
		latest := time.Now().Add(10 * renewedLease) // the latest end that a renewal before the snapshot can set
		require.Eventually(t, func() bool { return lease.Until().After(latest) || ctx.Err() != nil }, kit.Patience, 10*time.Millisecond, "a renewal")
		require.NoError(t, ctx.Err())
		err = store.CompleteTx(ctx, tx)
		if level != sql.LevelReadCommitted {
			require.ErrorContains(t, err, "40001")
			kit.Eventually(t, func() bool { // a busy machine may renew the lease once more meanwhile
				require.NoError(t, tx.Rollback())
				tx = begin(t, db, &sql.TxOptions{Isolation: level})
				if err = store.CompleteTx(ctx, tx); err != nil {
					require.ErrorContains(t, err, "40001")
				}
				return err == nil
			})
		}
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		require.NoError(t, lease.Complete(t.Context()))
	}
}
