//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

const (
	renewedLease = time.Second

	// renewedClaims is how many claims the other worker must make before the first worker is killed.
	renewedClaims = 50

	// renewalTries is how often a worker may lose its lease because the machine is slow.
	renewalTries = 10

	// clockTolerance is for rounding, and for the difference between the clocks of Redis and the worker.
	clockTolerance = 20 * time.Millisecond
)

// renew runs work that does not end. It reports if the lease is lost.
func renew() {
	guard, err := idempotency.NewGuard(theirStore(), nil)
	if err != nil {
		log.Fatal(err)
	}
	lease, claim, err := guard.Acquire(context.Background(), idempotency.ClaimRequest{
		Keys: []string{os.Getenv("KEY")}, Lease: renewedLease, RenewUntil: time.Now().Add(time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claim.State)
	ctx := lease.Context(context.Background())
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
}

// retake claims the key until it acquires it, and completes it. It reports if the lease of the other worker had not
// ended.
func retake() {
	store := theirStore()
	ctx, key, token := context.Background(), os.Getenv("KEY"), idempotency.NewToken()
	var ends time.Time // of the other worker's lease, or later
	for {
		before := time.Now()
		claim, err := store.Claim(ctx, key, token, time.Hour)
		if err != nil {
			log.Fatal(err)
		}
		if claim.State == idempotency.Acquired {
			early := time.Until(ends) > clockTolerance
			if err := store.Complete(ctx, key, token); err != nil {
				log.Fatal(err)
			}
			fmt.Println("acquired, attempt", claim.Attempt, "early", early)
			return
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
	t.Parallel() // it mostly waits
	env := []string{"ADDR=" + shared.Addr(), "NAMESPACE=" + namespace(t)}
	for try := range renewalTries {
		key := fmt.Sprint("KEY=key-", try)
		first := start(t, "renewer", append(env, key)...)
		require.Equal(t, "acquired", first.line(t))
		began := time.Now()
		second := start(t, "retaker", append(env, key)...)
		claims, killed, last := 0, false, second.line(t)
		for ; last == "in flight"; last = second.line(t) {
			if claims++; !killed && claims >= renewedClaims && time.Since(began) > 10*renewedLease {
				require.NoError(t, first.Process.Kill())
				killed = true
			}
		}
		require.Equal(t, "acquired, attempt 2 early false", last)
		if killed {
			return
		}
		require.Equal(t, idempotency.ErrLeaseLost.Error(), first.line(t)) // the machine was too slow to renew in time
	}
	t.Fatalf("The lease was lost %d times.", renewalTries)
}
