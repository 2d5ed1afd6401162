package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

const (
	renewedLease = time.Second

	// renewedClaims is how many claims the other worker must make before the first worker is killed.
	renewedClaims = 50

	// renewalTries is how often a worker may lose its lease because the machine is slow.
	renewalTries = 10

	// clockTolerance is for rounding, and for the difference between the clocks of the database and the worker.
	clockTolerance = 20 * time.Millisecond
)

// renewWorker runs work that does not end. It reports if the lease is lost.
func renewWorker() error {
	_, store := workersStore()
	guard, err := idempotency.NewGuard(store, nil)
	check(err)
	lease, claim, err := guard.Acquire(context.Background(), idempotency.ClaimRequest{
		Keys: []string{os.Getenv("KEY")}, Lease: renewedLease, RenewUntil: time.Now().Add(time.Hour),
	})
	check(err)
	fmt.Println(claim.State)
	ctx := lease.Context(context.Background())
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	return nil
}

// retakeWorker claims the key until it acquires it, and completes it. It reports if the lease of the other worker had not
// ended.
func retakeWorker() error {
	_, store := workersStore()
	ctx, key, token := context.Background(), os.Getenv("KEY"), idempotency.NewToken()
	var ends time.Time // of the other worker's lease, or later
	for {
		before := time.Now()
		claim, err := store.Claim(ctx, key, token, time.Hour)
		check(err)
		if claim.State == idempotency.Acquired {
			early := time.Until(ends) > clockTolerance
			check(store.Complete(ctx, key, token))
			fmt.Println("acquired, attempt", claim.Attempt, "early", early)
			return nil
		}
		if end := before.Add(claim.Remaining); end.After(ends) {
			ends = end
		}
		fmt.Println(claim.State)
		time.Sleep(renewedLease / 20)
	}
}

// TestRenewal_KeepsKeyFromOtherProcess runs work for ten leases, and then kills its process.
func TestRenewal_KeepsKeyFromOtherProcess(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		t.Parallel() // it mostly waits
		db := e.open(t, dsn)
		e.store(t, db, 0)
		for try := range renewalTries {
			key := fmt.Sprint("KEY=key-", try)
			first := startWorker(t, "renews", e, dsn, key)
			require.Equal(t, "acquired", first.Line(t))
			began := time.Now()
			second := startWorker(t, "retakes", e, dsn, key)
			claims, killed, last := 0, false, ""
			for second.Stdout.Scan() {
				if last = second.Stdout.Text(); last != "in flight" {
					break
				}
				if claims++; !killed && claims >= renewedClaims && time.Since(began) > 10*renewedLease {
					require.NoError(t, first.Process.Kill())
					killed = true
				}
			}
			require.Equal(t, "acquired, attempt 2 early false", last)
			if killed {
				require.Equal(t, 1, query[int](t, db, `SELECT count(*) FROM aihooks_idempotency WHERE key = $1 AND state = 2`, key[len("KEY="):]))
				return
			}
			require.Equal(t, idempotency.ErrLeaseLost.Error(), first.Line(t)) // the machine was too slow to renew in time
		}
		t.Fatalf("The lease was lost %d times.", renewalTries)
	})
}

// TestRenewal_AllowsWorkAfterCompleteTx runs work for longer than its lease after it has committed.
func TestRenewal_AllowsWorkAfterCompleteTx(t *testing.T) {
	onEach(t, func(t *testing.T, e *engine, dsn string) {
		db := e.open(t, dsn)
		store := e.store(t, db, 0)
		guard, err := idempotency.NewGuard(store, nil)
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
