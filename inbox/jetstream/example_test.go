package jetstreaminbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// This is a complete service, except for its store. Use a store in Redis or a database.
func Example() {
	serve := func(ctx context.Context, store idempotency.Store) error {
		nc, err := nats.Connect("nats://a.example,nats://b.example,nats://c.example", nats.MaxReconnects(-1))
		if err != nil {
			return err
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			return err
		}
		box, err := jetstreaminbox.New(ctx, js, &jetstreaminbox.Options{
			Store:  store,
			Policy: inbox.Policy{Limits: map[string]int{"workflux": 16}},
		})
		if err != nil {
			return err
		}
		hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box})
		if err != nil {
			return err
		}
		hook.OnConversationCompleted(func(_ context.Context, e *workflux.ConversationCompleted) error {
			fmt.Println(e.Type)
			return nil
		})
		mux := http.NewServeMux()
		mux.Handle("POST /webhooks/workflux", hook)
		server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}

		toRun, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		ran := make(chan error, 1)
		go func() { ran <- box.Run(toRun, hook) }()
		go func() { _ = server.ListenAndServe() }()
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		err = errors.Join(server.Shutdown(stopping), hook.Shutdown(stopping))
		end()
		return errors.Join(err, <-ran)
	}
	_ = serve // not called: there is no server
	// Output:
}

// New refuses unsafe options. The error says what to do.
func ExampleNew() {
	nc, err := nats.Connect("nats://127.0.0.1:1", nats.RetryOnFailedConnect(true))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = jetstreaminbox.New(context.Background(), js, &jetstreaminbox.Options{})
	fmt.Println(err)
	// Output:
	// jetstreaminbox: Options.Store is required: JetStream recognizes a duplicate only for a limited time
}
