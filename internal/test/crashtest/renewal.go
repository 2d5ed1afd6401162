package crashtest

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
	// RenewedLease is the first lease of HoldKey. RequireRenewal doubles it up to longestLease, until the machine renews it in time.
	RenewedLease = time.Second
	longestLease = 16 * RenewedLease

	// renewedClaims is how many claims the other process must make before the first one is killed.
	renewedClaims = 50

	// clockTolerance is for rounding, and for the difference between the clocks of the store and the process.
	clockTolerance = 20 * time.Millisecond
)

// HoldKey is the role of a process that runs work that does not end, under the key in KEY and with the lease in LEASE. It
// prints the cause if the lease is lost.
func HoldKey(store idempotency.Store) error {
	duration, err := time.ParseDuration(os.Getenv("LEASE"))
	if err != nil {
		return err
	}
	guard, err := idempotency.NewGuard(store, &idempotency.GuardOptions{CallTimeout: time.Minute}) // a busy machine must not look like an unavailable server
	if err != nil {
		return err
	}
	lease, claim, err := guard.Acquire(context.Background(), idempotency.ClaimRequest{
		Keys: []string{os.Getenv("KEY")}, Lease: duration, RenewUntil: time.Now().Add(time.Hour),
	})
	if err != nil {
		return err
	}
	fmt.Println(claim.State)
	ctx := lease.Context(context.Background())
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	return nil
}

// RetakeKey is the role of a process that claims the key in KEY until it acquires it, and completes it. It prints whether
// the lease of the other process had not ended.
func RetakeKey(store idempotency.Store) error {
	ctx, key, token := context.Background(), os.Getenv("KEY"), idempotency.NewToken()
	var ends time.Time // of the other process's lease, or later
	for {
		before := time.Now()
		claim, err := store.Claim(ctx, key, token, time.Hour)
		if err != nil {
			return err
		}
		if claim.State == idempotency.Acquired {
			early := time.Until(ends) > clockTolerance
			if err := store.Complete(ctx, key, token); err != nil {
				return err
			}
			fmt.Println("acquired, attempt", claim.Attempt, "early", early)
			return nil
		}
		if end := before.Add(claim.Remaining); end.After(ends) {
			ends = end
		}
		fmt.Println(claim.State)
		time.Sleep(RenewedLease / 20)
	}
}

// RequireRenewal runs HoldKey for ten leases next to RetakeKey, and then kills its process. It returns the key, which is
// completed then.
func RequireRenewal(t *testing.T, hold, retake func(env ...string) *kit.Process) (key string) {
	t.Helper()
	for lease := RenewedLease; lease <= longestLease; lease *= 2 {
		key = fmt.Sprint("key-", lease)
		first := hold("KEY="+key, "LEASE="+lease.String())
		require.Equal(t, "acquired", first.Line(t))
		began := time.Now()
		second := retake("KEY=" + key)
		claims, killed, last := 0, false, second.Line(t)
		for ; last == "in flight"; last = second.Line(t) {
			if claims++; !killed && claims >= renewedClaims && time.Since(began) > 10*lease {
				require.NoError(t, first.Process.Kill())
				killed = true
			}
		}
		require.Equal(t, "acquired, attempt 2 early false", last)
		if killed {
			return key
		}
		require.Equal(t, idempotency.ErrLeaseLost.Error(), first.Line(t)) // the machine was too slow to renew in time
	}
	t.Fatalf("Each lease of up to %v was lost.", longestLease)
	return ""
}
