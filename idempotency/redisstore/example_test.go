//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/webhook"
)

func ExampleNew() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	options.ContextTimeoutEnabled = true // a Redis that hangs does not keep connections
	client := redis.NewClient(options)
	defer client.Close()

	store, err := redisstore.New(client, &redisstore.Options{Namespace: "support-bot"})
	if err != nil {
		log.Fatal(err)
	}

	// All processes with this store and namespace together run each delivery once.
	hook, err := convosphere.NewHandler("a-secret-from-convosphere", &webhook.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks/convosphere", hook)
	fmt.Println("remembers deliveries for", store.Retention())
	// Output: remembers deliveries for 168h0m0s
}

// The store also works without webhooks, for any work that must run once.
func ExampleStore() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal(err)
	}
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	defer client.Close()
	store, err := redisstore.New(client, &redisstore.Options{Namespace: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		state, err := guard.Do(context.Background(), "invoice-2026-11", func(context.Context) error {
			fmt.Println("sent")
			return nil
		})
		if err != nil {
			log.Fatal(err) // Redis is unavailable, or sending failed
		}
		fmt.Println(state)
	}
	// Output:
	// sent
	// acquired
	// completed
}
