package sqliteinbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const (
	makeEffects  = `CREATE TABLE IF NOT EXISTS effects (name TEXT NOT NULL) STRICT`
	addEffect    = `INSERT INTO effects VALUES (?)`
	countEffects = `SELECT count(*) FROM effects`
)

// A txMethod completes a delivery in a transaction of the callback.
type txMethod struct {
	name        string
	concurrency int // of the inbox; 0 is the default
	// open returns three values: the handler's store, or nil for the inbox's; the database of the effects; and a function
	// that runs f in a transaction that ends with the mark.
	open func(t *testing.T, box *sqliteinbox.Inbox, path string) (idempotency.Store, *sql.DB, transaction)
}

type transaction func(ctx context.Context, f func(tx *sql.Tx) error) error

// inTx runs f in a transaction of another handle.
func inTx(ctx context.Context, db *sql.DB, complete func(context.Context, sqlstore.Execer) error, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	if err := complete(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

var txMethods = []txMethod{{
	name: "Transact",
	open: func(t *testing.T, box *sqliteinbox.Inbox, path string) (idempotency.Store, *sql.DB, transaction) {
		return nil, openRaw(t, path), func(ctx context.Context, f func(tx *sql.Tx) error) error {
			return box.Transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if err := f(tx); err != nil {
					return err
				}
				return box.CompleteTx(ctx, tx)
			})
		}
	},
}, {
	name: "another handle",
	open: func(t *testing.T, box *sqliteinbox.Inbox, path string) (idempotency.Store, *sql.DB, transaction) {
		own := openRaw(t, path)
		own.SetMaxOpenConns(1) // otherwise all connections sleep, and one may never get the lock
		return nil, own, func(ctx context.Context, f func(tx *sql.Tx) error) error {
			return inTx(ctx, own, box.CompleteTx, f)
		}
	},
}, {
	name: "another database",
	// All claims wait for its only connection, and each has the 4.5 s of ResponseTimeout, also on a busy machine.
	concurrency: 16,
	open: func(t *testing.T, _ *sqliteinbox.Inbox, _ string) (idempotency.Store, *sql.DB, transaction) {
		other := openRaw(t, filepath.Join(t.TempDir(), "other.db"), "journal_mode(WAL)")
		other.SetMaxOpenConns(1)
		s, err := sqlstore.New(other, &sqlstore.Options{Dialect: sqlstore.SQLite, Namespace: "test"})
		require.NoError(t, err)
		require.NoError(t, s.Migrate(t.Context()))
		return s, other, func(ctx context.Context, f func(tx *sql.Tx) error) error { return inTx(ctx, other, s.CompleteTx, f) }
	},
}}

func TestCompleteTx_WorksUnderLoad(t *testing.T) {
	t.Parallel()
	const before, deliveries, senders = 64, 80, 4
	for _, w := range txMethods {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{Policy: inbox.Policy{Concurrency: w.concurrency}})
			s, db, transact := w.open(t, box, path)
			mustExec(t, db, makeEffects)
			harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box, Store: s, StoreTimeout: kit.Patience})
			var running atomic.Int64
			enough := make(chan struct{}) // closed once enough callbacks run to compete for the writer
			var calls kit.Counter
			harness.OnMessage(func(ctx context.Context, name string) error {
				if running.Add(1) == before/4 {
					close(enough)
				}
				select {
				case <-enough:
				case <-ctx.Done():
				}
				first := calls.Add(name) == 1
				return transact(ctx, func(tx *sql.Tx) error {
					if _, err := tx.ExecContext(ctx, addEffect, name); err != nil {
						return err
					}
					if first && len(name)%2 == 0 { // the transaction undoes the effect
						return errors.New("on purpose")
					}
					return nil
				})
			})
			deliver := func(name string) {
				body := inboxkit.MessageBody(name, 500)
				for status := 0; status != http.StatusOK; {
					status = harness.Post(body).Status
				}
			}
			for i := range before {
				deliver(fmt.Sprint("before ", i))
			}
			inboxkit.Run(t, box, harness)
			began := time.Now()
			var sending sync.WaitGroup
			for i := range senders {
				sending.Go(func() {
					for j := range (deliveries - before) / senders {
						deliver(fmt.Sprintf("%d-%d", i, j))
					}
				})
			}
			sending.Wait()
			sent := time.Since(began)
			kit.Eventually(t, func() bool { return statsOf(t, box).Done == deliveries }, harness.Log)
			t.Logf("sent in %v, done after %v", sent, time.Since(began))
			twice := queryValue[string](t, db, `SELECT coalesce(group_concat(name, ', '), '') FROM (SELECT name FROM effects GROUP BY name HAVING count(*) > 1)`)
			require.Empty(t, twice, "effects that happened twice; callbacks: %v; log: %s", calls.All(), harness.Log)
			require.Equal(t, deliveries, queryValue[int](t, db, countEffects))
		})
	}
}

// completing runs the callback of one delivery, and calls f in it.
func completing(t *testing.T, box *sqliteinbox.Inbox, s idempotency.Store, f func(ctx context.Context) error) *inboxkit.Handler {
	t.Helper()
	harness := inboxkit.NewHandler(t, webhook.Options{Inbox: box, Store: s})
	ended := make(chan struct{})
	var once sync.Once
	harness.OnMessage(func(ctx context.Context, _ string) (err error) {
		once.Do(func() {
			defer close(ended)
			err = f(ctx)
		})
		return err
	})
	inboxkit.Run(t, box, harness)
	harness.MustRespond(t, http.StatusOK, inboxkit.MessageBody("a", 10))
	select {
	case <-ended:
	case <-time.After(kit.Patience):
		require.Fail(t, "the callback does not return")
	}
	return harness
}

func TestTransact_RollsBackEffectOnError(t *testing.T) {
	for _, w := range txMethods {
		t.Run(w.name, func(t *testing.T) {
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{})
			s, db, transact := w.open(t, box, path)
			mustExec(t, db, makeEffects)
			var seen []int
			completing(t, box, s, func(ctx context.Context) error {
				err := transact(ctx, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, addEffect, "a")
					return errors.Join(err, errors.New("on purpose"))
				})
				seen = append(seen, queryValue[int](t, db, countEffects))
				return err
			})
			require.Equal(t, []int{0}, seen)
			kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
		})
	}
}

func TestCompleteTx_RollsBackEffectOfLostLease(t *testing.T) {
	for _, w := range txMethods {
		t.Run(w.name, func(t *testing.T) {
			path := pathOf(t)
			box := openBox(t, path, sqliteinbox.Options{})
			s, db, transact := w.open(t, box, path)
			mustExec(t, db, makeEffects)
			var err error
			completing(t, box, s, func(ctx context.Context) error {
				mustExec(t, db, `UPDATE aihooks_idempotency SET token = randomblob(16)`) // simulates another owner
				err = transact(ctx, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, addEffect, "a")
					return err
				})
				return err
			})
			require.ErrorIs(t, err, idempotency.ErrLeaseLost)
			require.Zero(t, queryValue[int](t, db, countEffects))
		})
	}
}

func TestCompleteTx_KeepsCommitThoughCallbackFails(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	db := openRaw(t, path)
	mustExec(t, db, makeEffects)
	completing(t, box, nil, func(ctx context.Context) error {
		err := box.Transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, addEffect, "a")
			return errors.Join(err, box.CompleteTx(ctx, tx))
		})
		return errors.Join(err, errors.New("too late"))
	})
	kit.Eventually(t, func() bool { return statsOf(t, box).Done == 1 })
	require.Equal(t, 1, queryValue[int](t, db, countEffects))
}

func TestTransact_RefusesInboxCallsInside(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	token := idempotency.NewToken()
	const refused = "inside Transact, write only by its transaction"
	err := box.Transact(t.Context(), func(ctx context.Context, _ *sql.Tx) error {
		_, err := box.Enqueue(ctx, newDelivery(ping, "a"))
		require.ErrorContains(t, err, refused)
		derived, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_, err = box.Enqueue(derived, newDelivery(ping, "a"))
		require.ErrorContains(t, err, refused)
		_, err = box.Store().Claim(ctx, "key", token, time.Minute)
		require.ErrorContains(t, err, refused)
		_, err = box.Discard(ctx, all)
		require.ErrorContains(t, err, refused)
		require.ErrorContains(t, box.Transact(ctx, func(context.Context, *sql.Tx) error {
			t.Error("it was called")
			return nil
		}), "must not be called inside Transact")

		for name, f := range map[string]func(ctx context.Context) error{
			"Enqueue": func(ctx context.Context) error { _, err := box.Enqueue(ctx, newDelivery(ping, "a")); return err },
			"Claim": func(ctx context.Context) error {
				_, err := box.Store().Claim(ctx, "key", token, time.Minute)
				return err
			},
			"Transact": func(ctx context.Context) error {
				return box.Transact(ctx, func(context.Context, *sql.Tx) error { return nil })
			},
		} {
			other, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			require.ErrorIs(t, f(other), context.DeadlineExceeded, name) // while Transact has the write lock
			cancel()
		}
		return nil
	})
	require.NoError(t, err)
	store(t, box, newDelivery(ping, "a")) // none of the calls stored it
	claim, err := box.Store().Claim(t.Context(), "key", idempotency.NewToken(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, idempotency.Acquired, claim.State)
}

func TestTransact_ReleasesWriteLockHoweverItEnds(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	db := openRaw(t, path)
	mustExec(t, db, makeEffects)
	n := 0
	for name, end := range map[string]func(ctx context.Context, tx *sql.Tx) error{
		"panic":              func(context.Context, *sql.Tx) error { panic("on purpose") },
		"error":              func(context.Context, *sql.Tx) error { return errors.New("on purpose") },
		"context that ended": func(ctx context.Context, _ *sql.Tx) error { return ctx.Err() },
		"commit that fails":  func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel() // not earlier, because it also ends a transaction
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v", p)
				}
			}()
			return box.Transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, addEffect, name); err != nil {
					return err
				}
				if name == "context that ended" {
					cancel()
				}
				return end(ctx, tx)
			})
		}()
		require.Error(t, err, name)
		require.Zero(t, queryValue[int](t, db, countEffects), name)
		n++
		store(t, box, newDelivery(ping, name))
		require.NoError(t, box.Transact(t.Context(), func(context.Context, *sql.Tx) error { return nil }), name)
	}
	require.Equal(t, n, statsOf(t, box).Pending)
}

func TestTransact_AlternatesWithInboxWrites(t *testing.T) {
	box := openBox(t, pathOf(t), sqliteinbox.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	var working sync.WaitGroup
	var transacts atomic.Int64
	for range 64 {
		working.Go(func() {
			for ctx.Err() == nil {
				if box.Transact(ctx, func(context.Context, *sql.Tx) error { time.Sleep(10 * time.Millisecond); return nil }) == nil {
					transacts.Add(1)
				}
			}
		})
	}
	kit.Eventually(t, func() bool { return transacts.Load() > 0 })
	var waited []int64 // the number of Transacts before each write
	for _, d := range pings("", 21) {
		before := transacts.Load()
		store(t, box, d)
		waited = append(waited, transacts.Load()-before)
	}
	slices.Sort(waited)
	t.Log("waited for Transacts:", waited)
	require.Less(t, waited[10], int64(5), "the writer does not wait for all Transacts; the median tolerates a busy machine")
	require.Positive(t, waited[20])
	cancel()
	working.Wait()
	require.NoError(t, box.Close())
	require.ErrorIs(t, box.Transact(context.Background(), func(context.Context, *sql.Tx) error { return nil }), sqliteinbox.ErrClosed)
}

// SQLite's busy handler retries ten times a second. It misses the short pauses between two transactions of a program that
// writes continuously.
func TestTransact_WaitsForABusyProgram(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	busy, err := openRaw(t, path).Conn(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	locked, done := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			_, err = busy.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
			select {
			case locked <- struct{}{}:
			default:
			}
			time.Sleep(25 * time.Millisecond)
			_, e := busy.ExecContext(t.Context(), `ROLLBACK`)
			err = errors.Join(err, e)
			time.Sleep(20 * time.Microsecond) // without this pause, any program needs luck to get the lock
		}
		done <- err
	}()
	for range 5 {
		<-locked
		require.NoError(t, box.Transact(t.Context(), func(context.Context, *sql.Tx) error { return nil }))
	}
	cancel()
	require.NoError(t, <-done)
}

func TestTransact_ReportsWhoHasTheFile(t *testing.T) {
	path := pathOf(t)
	box := openBox(t, path, sqliteinbox.Options{})
	box.StopPurging() // so that only Transact waits for the file
	raw := openRaw(t, path)
	raw.SetMaxOpenConns(1)
	mustExec(t, raw, `BEGIN IMMEDIATE`)
	nothing := func(context.Context, *sql.Tx) error { return nil }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- box.Transact(ctx, nothing) }()
	kit.Eventually(t, box.HasProblem)
	cancel()
	err := <-ended
	require.ErrorContains(t, err, "another program has had the file locked for ")
	require.ErrorIs(t, err, context.Canceled)
	box.SetLockTimeout(sqliteinbox.LockTimeout)
	kit.Quick(t, sqliteinbox.LockTimeout+time.Second, func() { err = box.Transact(t.Context(), nothing) })
	require.ErrorContains(t, err, "another program has had the file locked for 5")
	mustExec(t, raw, `ROLLBACK`)
	require.NoError(t, box.Transact(t.Context(), nothing))
}
