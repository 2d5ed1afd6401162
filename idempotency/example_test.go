package idempotency_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

func ExampleNewMemory() {
	// Capacity for ten million keys, about 400 MB when full. Each key is remembered for three days.
	store, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: 72 * time.Hour, MaxKeys: 10_000_000})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	for range 2 {
		token := idempotency.NewToken()
		claim, err := store.Claim(ctx, "order-1", token, 30*time.Second)
		if err != nil {
			log.Fatal(err) // the store is full
		}
		fmt.Println(claim.State)
		if claim.State == idempotency.Acquired {
			// Do the work here, then:
			if err := store.Complete(ctx, "order-1", token); err != nil {
				log.Fatal(err) // the work took longer than the lease, and another claim has taken the key
			}
		}
	}
	fmt.Println(store.Len(), "key remembered")
	// Output:
	// acquired
	// completed
	// 1 key remembered
}
