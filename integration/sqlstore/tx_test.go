package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// expire ends the leases of all claims.
func (e *engine) expire(t *testing.T, db *sql.DB) {
	t.Helper()
	_, err := db.Exec(e.endLeases)
	require.NoError(t, err)
}

// onEachWithEffects runs f on each engine, with a store and a table for side effects.
func onEachWithEffects(t *testing.T, f func(t *testing.T, e *engine, db *sql.DB, store *sqlstore.Store)) {
	t.Helper()
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		store := e.store(t, db, 0)
		_, err := db.Exec(`CREATE TABLE effects (key TEXT NOT NULL)`)
		require.NoError(t, err)
		f(t, e, db, store)
	})
}

// begin opens a transaction and writes a side effect.
func begin(t *testing.T, db *sql.DB, o *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.Exec(`INSERT INTO effects VALUES ('key')`)
	require.NoError(t, err)
	return tx
}

func effects(t *testing.T, db *sql.DB) int {
	t.Helper()
	return query[int](t, db, `SELECT count(*) FROM effects`)
}

// claim claims a key, which must be in the given state.
func claim(t *testing.T, store idempotency.Store, key string, want idempotency.State) idempotency.Token {
	t.Helper()
	token := idempotency.NewToken()
	got, err := store.Claim(context.Background(), key, token, time.Hour)
	require.NoError(t, err)
	require.Equal(t, want, got.State, key)
	return token
}

func TestMarkAndSideEffectAreCommittedTogether(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, _ *engine, db *sql.DB, store *sqlstore.Store) {
		ctx, h := acquireLease(t, store, time.Hour, "content", "id")
		tx := begin(t, db, nil)
		require.NoError(t, store.CompleteTx(ctx, tx))
		require.NoError(t, store.CompleteTx(ctx, tx), "repeated")
		require.NoError(t, tx.Commit())
		claim(t, store, "content", idempotency.Completed)
		claim(t, store, "id", idempotency.Completed)
		require.NoError(t, h.Complete(context.Background()), "the guard completes once more")
		require.Equal(t, 1, effects(t, db))
	})
}

func TestMarkAndSideEffectAreRolledBackTogether(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, _ *engine, db *sql.DB, store *sqlstore.Store) {
		ctx, h := acquireLease(t, store, time.Hour, "content", "id")
		tx := begin(t, db, nil)
		require.NoError(t, store.CompleteTx(ctx, tx))
		require.NoError(t, tx.Rollback())
		claim(t, store, "content", idempotency.InFlight)
		require.NoError(t, h.Release(context.Background()))
		claim(t, store, "content", idempotency.Acquired)
		claim(t, store, "id", idempotency.Acquired)
		require.Zero(t, effects(t, db))
	})
}

func TestFailureAfterTheCommitLeavesTheDeliveryCompleted(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, _ *engine, db *sql.DB, store *sqlstore.Store) {
		guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
		require.NoError(t, err)
		failed := errors.New("failed after the commit")
		_, err = guard.Do(context.Background(), "key", func(ctx context.Context) error {
			tx := begin(t, db, nil)
			return errors.Join(store.CompleteTx(ctx, tx), tx.Commit(), failed)
		})
		require.ErrorIs(t, err, failed)
		claim(t, store, "key", idempotency.Completed)
	})
}

func TestLostLeaseLeavesNothingBehind(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, e *engine, db *sql.DB, store *sqlstore.Store) {
		ctx, h := acquireLease(t, store, time.Hour, "content", "id")
		e.expire(t, db)
		otherToken := claim(t, store, "id", idempotency.Acquired) // the second key alone is enough

		tx := begin(t, db, nil)
		require.ErrorIs(t, store.CompleteTx(ctx, tx), idempotency.ErrLeaseLost)
		require.NoError(t, tx.Rollback())
		require.Zero(t, effects(t, db))
		require.NoError(t, h.Release(context.Background()))

		claim(t, store, "content", idempotency.Acquired)
		claim(t, store, "id", idempotency.InFlight)
		require.NoError(t, store.Complete(context.Background(), "id", otherToken))
	})
}

func TestEndedLeaseThatNobodyTookCanBeCompleted(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, e *engine, db *sql.DB, store *sqlstore.Store) {
		ctx, _ := acquireLease(t, store, time.Hour, "key")
		e.expire(t, db)
		tx := begin(t, db, nil)
		require.NoError(t, store.CompleteTx(ctx, tx))
		require.NoError(t, tx.Commit())
		claim(t, store, "key", idempotency.Completed)
	})
}

func TestClaimWaitsForATransactionThatHasCompletedTheKey(t *testing.T) {
	for end, want := range map[string]idempotency.State{"commit": idempotency.Completed, "rollback": idempotency.Acquired} {
		t.Run(end, func(t *testing.T) {
			onEachWithEffects(t, func(t *testing.T, e *engine, db *sql.DB, store *sqlstore.Store) {
				ctx, _ := acquireLease(t, store, time.Hour, "key")
				e.expire(t, db)
				tx := begin(t, db, nil)
				require.NoError(t, store.CompleteTx(ctx, tx))

				result := make(chan idempotency.Claim, 1)
				go func() {
					got, err := store.Claim(context.Background(), "key", idempotency.NewToken(), time.Hour)
					if err == nil {
						result <- got
					}
					close(result)
				}()
				select {
				case got := <-result:
					require.Fail(t, "the claim returned while the transaction was open", "%v", got.State)
				case <-time.After(200 * time.Millisecond):
				}
				if end == "commit" {
					require.NoError(t, tx.Commit())
				} else {
					require.NoError(t, tx.Rollback())
				}
				require.Equal(t, want, (<-result).State)
			})
		})
	}
}

func TestLeaseLostBehindTheTransactionsBackLeavesNothingBehind(t *testing.T) {
	e, dsn := engines[0], engines[0].dsn(t) // SQLite has only one isolation level, and one writer
	db := e.open(t, dsn)
	store := e.store(t, db, 0)
	_, err := db.Exec(`CREATE TABLE effects (key TEXT NOT NULL)`)
	require.NoError(t, err)
	for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		ctx, _ := acquireLease(t, store, time.Hour, level.String())
		tx := begin(t, db, &sql.TxOptions{Isolation: level}) // its snapshot has the current state of the key
		e.expire(t, db)
		claim(t, store, level.String(), idempotency.Acquired)
		err := store.CompleteTx(ctx, tx)
		if level == sql.LevelReadCommitted {
			require.ErrorIs(t, err, idempotency.ErrLeaseLost)
		} else {
			require.ErrorContains(t, err, "40001")
		}
		require.NoError(t, tx.Rollback())
		require.Zero(t, effects(t, db))

		again := begin(t, db, &sql.TxOptions{Isolation: level})
		require.ErrorIs(t, store.CompleteTx(ctx, again), idempotency.ErrLeaseLost, "repeated, as callers do after such an error")
		require.NoError(t, again.Rollback())
	}
}

func TestContextWithoutClaimsIsAnErrorOfItsOwn(t *testing.T) {
	onEachWithEffects(t, func(t *testing.T, _ *engine, db *sql.DB, store *sqlstore.Store) {
		require.ErrorIs(t, store.CompleteTx(context.Background(), begin(t, db, nil)), sqlstore.ErrNoClaims)
	})
}

func TestClaimsOfAnotherStoreAreAnErrorOfTheirOwn(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		store := e.store(t, e.open(t, dsn), 0)
		memory, err := idempotency.NewMemory(nil)
		require.NoError(t, err)
		other := e.store(t, e.open(t, dsn), 0) // even in the same database
		for _, holder := range []idempotency.Store{memory, other} {
			ctx, h := acquireLease(t, holder, time.Hour, "key")
			require.ErrorIs(t, store.CompleteTx(ctx, nil), sqlstore.ErrOtherStore)
			require.NoError(t, h.Release(ctx))
		}
	})
}
