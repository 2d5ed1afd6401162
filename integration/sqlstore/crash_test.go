package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// The crash test completes half of its keys inside the transaction of their side effect, and half outside.
const (
	crashLease   = 2 * time.Second
	crashWorkers = 4
	inTx         = "tx-"
	notInTx      = "plain-"
)

// crashWorker processes keys until all are completed, and prints those that it has completed outside a transaction.
func crashWorker() error {
	db, store := workersStore()
	if os.Getenv("ENGINE") == "SQLite" {
		db.SetMaxOpenConns(1)
	}
	n, err := strconv.Atoi(os.Getenv("KEYS"))
	check(err)
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{Lease: crashLease, Margin: crashLease / 4})
	check(err)
	var left []string
	for i := range n / 2 {
		left = append(left, fmt.Sprint(inTx, i), fmt.Sprint(notInTx, i))
	}
	done := completedKeys(db)
	left = slices.DeleteFunc(left, func(key string) bool { return done[key] })
	rand.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	fmt.Println("ready")

	var mu sync.Mutex // guards left, and keeps lines from mixing
	next := func() (key string, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(left) == 0 {
			return "", false
		}
		key, left = left[len(left)-1], left[:len(left)-1]
		return key, true
	}
	again := func(key string) {
		mu.Lock()
		defer mu.Unlock()
		left = slices.Insert(left, rand.IntN(len(left)+1), key)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for key, ok := next(); ok; key, ok = next() {
				state, err := guard.Do(context.Background(), key, func(ctx context.Context) error {
					time.Sleep(rand.N(2 * time.Millisecond))
					if key[:len(inTx)] != inTx {
						return nil
					}
					return sideEffect(ctx, db, store, key)
				})
				switch {
				case err != nil || state == idempotency.InFlight:
					again(key)
				case state == idempotency.Acquired && key[:len(inTx)] != inTx:
					mu.Lock()
					fmt.Println(key)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	fmt.Println("done")
	return nil
}

func completedKeys(db *sql.DB) map[string]bool {
	rows, err := db.Query(`SELECT key FROM aihooks_idempotency WHERE state = 2`)
	check(err)
	defer rows.Close()
	done := make(map[string]bool)
	for rows.Next() {
		var key string
		check(rows.Scan(&key))
		done[key] = true
	}
	check(rows.Err())
	return done
}

// sideEffect is an example of a correct callback.
func sideEffect(ctx context.Context, db *sql.DB, store *sqlstore.Store, key string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `INSERT INTO effects VALUES ($1)`, key); err != nil {
		return err
	}
	if err := store.CompleteTx(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// crashing is a worker that may be killed.
type crashing struct {
	*kit.Process
	ready    chan bool     // has true once it works
	ended    chan struct{} // closed when its output has ended
	finished bool          // once ended is closed
}

func TestCrash_LosesAndRepeatsNothing(t *testing.T) {
	keys, kills := 400, 6
	if kit.Full() {
		keys, kills = 10_000, 60
	}
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		e.store(t, db, 0)
		_, err := db.Exec(`CREATE TABLE effects (key TEXT NOT NULL)`) // not unique, so only CompleteTx prevents a second row
		require.NoError(t, err)

		began := time.Now()
		var mu sync.Mutex
		completions := make(map[string]int)
		start := func() *crashing {
			w := &crashing{Process: startWorker(t, "crashes", e, dsn, fmt.Sprint("KEYS=", keys)), ready: make(chan bool, 1), ended: make(chan struct{})}
			go func() {
				defer close(w.ended)
				defer close(w.ready)
				for w.Stdout.Scan() {
					switch line := w.Stdout.Text(); line {
					case "ready":
						w.ready <- true
					case "done":
						w.finished = true
					default:
						mu.Lock()
						completions[line]++
						mu.Unlock()
					}
				}
			}()
			return w
		}
		running := make([]*crashing, crashWorkers)
		for i := range running {
			running[i] = start()
		}
		done := func() int {
			return query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE state = 2`)
		}
		late := 0 // kills of workers that had finished
		for kill := range kills {
			for done() < kill*keys/(kills+1) { // spreads the kills over the run
				time.Sleep(5 * time.Millisecond)
			}
			time.Sleep(rand.N(20 * time.Millisecond))
			n := rand.IntN(len(running))
			victim := running[n]
			require.True(t, <-victim.ready, "the worker did not start")
			require.NoError(t, victim.Process.Process.Kill())
			<-victim.ended
			_ = victim.Wait()
			if victim.finished {
				late++
			}
			running[n] = start()
		}
		require.Less(t, late, kills, "no worker was killed at work")
		for _, w := range running {
			<-w.ended
			require.True(t, w.finished, "a worker that was not killed has not finished")
		}

		require.Equal(t, keys, done(), "completed keys")
		require.Equal(t, keys, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency`))
		require.Equal(t, keys/2, query[int](t, db, `SELECT count(*) FROM effects`), "side effects")
		require.Equal(t, keys/2, query[int](t, db, `SELECT count(DISTINCT key) FROM effects`), "keys with a side effect")
		for key, n := range completions {
			require.Equal(t, 1, n, "completions of %s", key)
		}
		t.Logf("%d keys, %d kills: %d taken more than once, %d completions outside a transaction reported, %v",
			keys, kills, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE attempt > 1`), len(completions),
			time.Since(began).Round(time.Millisecond))
	})
}
