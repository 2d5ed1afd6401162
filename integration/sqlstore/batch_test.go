package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// inBatches returns a store on PostgreSQL whose statements wait until open is called. The first call has its own
// statement, and all later calls until then form a batch.
func inBatches(t *testing.T, db *sql.DB) (store *sqlstore.Store, open func()) {
	t.Helper()
	gate := make(chan struct{})
	run := func(_ context.Context, f func(sqlstore.Conn) error) error {
		<-gate
		return f(db)
	}
	store, err := sqlstore.NewOn(run, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
	require.NoError(t, err)
	return store, sync.OnceFunc(func() { close(gate) })
}

// together claims keys at once, and returns the result of each.
func together(ctx context.Context, store *sqlstore.Store, open func(), keys ...string) (states []idempotency.State, errs []error) {
	states, errs = make([]idempotency.State, len(keys)), make([]error, len(keys))
	var all sync.WaitGroup
	begun := make(chan struct{}, len(keys)+1)
	start := func(f func()) {
		all.Go(func() {
			begun <- struct{}{}
			f()
		})
	}
	start(func() { _, _ = store.Claim(ctx, "the first", idempotency.NewToken(), time.Minute) })
	<-begun
	for i, key := range keys {
		start(func() {
			var claim idempotency.Claim
			claim, errs[i] = store.Claim(ctx, key, idempotency.NewToken(), time.Minute)
			states[i] = claim.State
		})
	}
	for range keys {
		<-begun
	}
	time.Sleep(20 * time.Millisecond) // optional: makes a batch more likely
	open()
	all.Wait()
	return states, errs
}

const acquired, inFlight = idempotency.Acquired, idempotency.InFlight

func onPostgreSQL(t *testing.T) (*sql.DB, *sqlstore.Store) {
	t.Helper()
	e := engines[0]
	db := e.open(t, e.dsn(t))
	db.SetMaxOpenConns(16)
	return db, e.store(t, db, 0)
}

func TestBatch_ReportsStateOfEachKey(t *testing.T) {
	db, other := onPostgreSQL(t)
	for key, done := range map[string]bool{"held": false, "done": true} {
		token := idempotency.NewToken()
		_, err := other.Claim(t.Context(), key, token, time.Minute)
		require.NoError(t, err)
		if done {
			require.NoError(t, other.Complete(t.Context(), key, token))
		}
	}
	store, open := inBatches(t, db)
	odd := `a "b", {c} \d, '` + "\t\u00e9"
	states, errs := together(t.Context(), store, open, "a", "held", "done", odd, "NULL", "")
	require.Equal(t, make([]error, 6), errs)
	require.Equal(t, []idempotency.State{acquired, inFlight, idempotency.Completed, acquired, acquired, acquired}, states)
	require.Equal(t, 1, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE key = '`+`a "b", {c} \d, ''`+"\t\u00e9"+`'`))
}

func TestBatch_ClaimsOnlyGivenKey(t *testing.T) {
	db, other := onPostgreSQL(t)
	store, open := inBatches(t, db)
	open()
	for _, key := range []string{`a\b`, `ab`} {
		claim, err := store.Claim(t.Context(), key, idempotency.NewToken(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, acquired, claim.State, key)
		claim, err = other.Claim(t.Context(), key, idempotency.NewToken(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, inFlight, claim.State, key)
	}
}

func TestBatch_CompletesNoForgottenKey(t *testing.T) {
	db, _ := onPostgreSQL(t)
	store, open := inBatches(t, db)
	open()
	token := idempotency.NewToken()
	_, err := store.Claim(t.Context(), "a", token, time.Minute)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE aihooks_idempotency SET expires_at = clock_timestamp() - interval '1 second'`)
	require.NoError(t, err)
	require.ErrorIs(t, store.Complete(t.Context(), "a", token), idempotency.ErrLeaseLost)
}

func TestBatch_GrantsRepeatedKeyOnce(t *testing.T) {
	for range 5 {
		db, _ := onPostgreSQL(t)
		store, open := inBatches(t, db)
		states, errs := together(t.Context(), store, open, "a", "b", "b", "b", "c")
		require.Equal(t, make([]error, 5), errs)
		require.ElementsMatch(t, []idempotency.State{acquired, inFlight, inFlight}, states[1:4])
		require.Equal(t, []idempotency.State{acquired, acquired}, []idempotency.State{states[0], states[4]})
	}
}

func TestBatch_GrantsKeyOnceAcrossProcesses(t *testing.T) {
	db, _ := onPostgreSQL(t)
	const keys, claimers, processes = 60, 8, 3
	var mu sync.Mutex
	winners, completed := make(map[int]int), 0
	var all sync.WaitGroup
	for range processes {
		store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "test", Batch: true})
		require.NoError(t, err)
		for range claimers {
			all.Go(func() {
				for i := range keys {
					token := idempotency.NewToken()
					claim, err := store.Claim(t.Context(), fmt.Sprint(i), token, time.Minute)
					if err != nil {
						t.Error(err)
					}
					if claim.State != acquired {
						continue
					}
					err = store.Complete(t.Context(), fmt.Sprint(i), token)
					mu.Lock()
					winners[i]++
					if err == nil {
						completed++
					}
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	require.Len(t, winners, keys)
	for key, n := range winners {
		require.Equal(t, 1, n, key)
	}
	require.Equal(t, keys, completed)
	require.Equal(t, keys, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE state = 2 AND attempt = 1`))
}

func TestBatch_IsolatesRefusedKey(t *testing.T) {
	db, _ := onPostgreSQL(t)
	_, err := db.Exec(`ALTER TABLE aihooks_idempotency ADD CHECK (key <> 'poison')`)
	require.NoError(t, err)
	store, open := inBatches(t, db)
	states, errs := together(t.Context(), store, open, "a", "poison", "b")
	require.ErrorContains(t, errs[1], "23514")
	require.Equal(t, []error{nil, nil}, []error{errs[0], errs[2]})
	require.Equal(t, []idempotency.State{acquired, acquired}, []idempotency.State{states[0], states[2]})
}

func TestBatch_BlocksOnlyCallersOfLockedKey(t *testing.T) {
	db, other := onPostgreSQL(t)
	tokens := make(map[string]idempotency.Token)
	for _, key := range []string{"locked", "free"} {
		tokens[key] = idempotency.NewToken()
		_, err := other.Claim(t.Context(), key, tokens[key], time.Minute)
		require.NoError(t, err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec(`UPDATE aihooks_idempotency SET attempt = 7 WHERE key = 'locked'`)
	require.NoError(t, err)
	store, open := inBatches(t, db)
	calls := map[string]func() error{
		"completes locked": func() error { return store.Complete(t.Context(), "locked", tokens["locked"]) },
		"completes free":   func() error { return store.Complete(t.Context(), "free", tokens["free"]) },
		"claims locked": func() error {
			_, err := store.Claim(t.Context(), "locked", idempotency.NewToken(), time.Minute)
			return err
		},
		"claims new": func() error {
			_, err := store.Claim(t.Context(), "new", idempotency.NewToken(), time.Minute)
			return err
		},
	}
	over := make(chan string, 2*len(calls))
	for range 2 { // the second claims share a batch, and so do the second completions
		for name, f := range calls {
			go func() {
				if err := f(); err != nil {
					t.Error(name, err)
				}
				over <- name
			}()
		}
	}
	open()
	want := map[string]bool{"completes free": true, "claims new": true}
	for range 4 {
		select {
		case name := <-over:
			require.True(t, want[name], name)
		case <-time.After(kit.Patience):
			require.Fail(t, "the batch waits for another client's transaction")
		}
	}
	require.NoError(t, tx.Rollback())
	for range 4 {
		<-over
	}
	require.Equal(t, 2, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE state = 2`))
}

func TestBatch_ReleasesClaimOfDepartedCaller(t *testing.T) {
	db, _ := onPostgreSQL(t)
	store, open := inBatches(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 2)
	for _, c := range []context.Context{ctx, t.Context()} { // the second caller stays, so that the batch is not canceled
		for _, key := range []string{"a", "b"} {
			go func() {
				_, err := store.Claim(c, key+fmt.Sprint(c == ctx), idempotency.NewToken(), time.Hour)
				if c == ctx {
					gone <- err
				}
			}()
		}
	}
	time.Sleep(20 * time.Millisecond) // usually some are in a batch now
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.ErrorIs(t, <-gone, context.Canceled)
	open()
	for _, key := range []string{"atrue", "btrue"} {
		require.Eventually(t, func() bool {
			claim, err := store.Claim(t.Context(), key, idempotency.NewToken(), time.Hour)
			require.NoError(t, err)
			return claim.State == acquired
		}, kit.Patience, 10*time.Millisecond)
	}
}
