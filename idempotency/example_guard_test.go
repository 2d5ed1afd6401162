package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A message that arrives twice is processed once. If the work fails, the message can be processed again.
func ExampleGuard_Do() {
	store, err := idempotency.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	printer := errors.New("the printer is out of paper")
	receive := func(id string) {
		state, err := guard.Do(context.Background(), id, func(context.Context) error {
			err := printer
			printer = nil
			return err
		})
		fmt.Println(id, state, err)
	}
	receive("invoice-1")
	receive("invoice-1")
	receive("invoice-1")
	// Output:
	// invoice-1 acquired the printer is out of paper
	// invoice-1 acquired <nil>
	// invoice-1 completed <nil>
}

// If a message has several names, either all of them are claimed or none.
func ExampleGuard_Acquire() {
	store, err := idempotency.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	receive := func(names ...string) {
		lease, claim, err := guard.Acquire(ctx, idempotency.ClaimRequest{
			Keys:      names,
			Lease:     time.Minute,
			WaitUntil: time.Now().Add(5 * time.Second),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(names, claim.State)
		if lease != nil {
			// Do the work here. After an error, call lease.Release instead.
			if err := lease.Complete(ctx); err != nil {
				log.Print(err)
			}
		}
	}
	receive("content/5f7c", "id/1")
	receive("content/90aa", "id/1")
	receive("content/90aa", "id/2")
	// Output:
	// [content/5f7c id/1] acquired
	// [content/90aa id/1] completed
	// [content/90aa id/2] completed
}

// Work that takes hours needs only a short lease. If this process crashes, another one can run the work a minute later.
func ExampleLease_Context() {
	store, err := idempotency.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	lease, claim, err := guard.Acquire(ctx, idempotency.ClaimRequest{
		Keys:       []string{"report/2026-11"},
		Lease:      time.Minute,
		RenewUntil: time.Now().Add(6 * time.Hour),
	})
	if err != nil {
		log.Fatal(err)
	}
	if lease == nil {
		fmt.Println(claim.State)
		return
	}
	work := lease.Context(ctx)
	// Do the work here under the context work, which ends if another process may have taken the key.
	if err := context.Cause(work); errors.Is(err, idempotency.ErrLeaseLost) {
		fmt.Println("stopped:", err)
	}
	fmt.Println(claim.State, lease.Complete(ctx))
	// Output: acquired <nil>
}

// A store that shares a transaction with the work can complete the claim inside the work.
func ExampleClaimsFromContext() {
	store, err := idempotency.NewMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	work := func(ctx context.Context) error {
		claims, ok := idempotency.ClaimsFromContext(ctx)
		if !ok {
			return errors.New("not guarded")
		}
		for _, key := range claims.Keys {
			if err := claims.Store.Complete(ctx, key, claims.Token); err != nil {
				return err
			}
		}
		return errors.New("too late to matter")
	}
	for range 2 {
		fmt.Println(guard.Do(context.Background(), "order-1", work))
	}
	// Output:
	// acquired too late to matter
	// completed <nil>
}
