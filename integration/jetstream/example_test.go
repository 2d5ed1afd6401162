package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A delivery that cannot be handled becomes a dead letter, and is run again once it can.
func Example() {
	dir, err := os.MkdirTemp("", "nats")
	must(err)
	defer os.RemoveAll(dir)
	s, err := server.NewServer(options(dir))
	must(err)
	s.Start()
	defer stopServer(s)
	if !s.ReadyForConnections(kit.Patience) {
		return
	}

	nc, err := nats.Connect(s.ClientURL(), nats.Timeout(requestTimeout))
	must(err)
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	must(err)
	store, err := idempotency.NewMemory(nil) // of one process; several share one in Redis or a database
	must(err)
	deadLettered := make(chan inbox.Entry, 1)
	box, err := jetstreaminbox.New(context.Background(), js, &jetstreaminbox.Options{
		Store: store, ServerSyncsAlways: true, // it is a lone server, with sync_interval: always
		Policy: inbox.Policy{OnDeadLetter: func(_ context.Context, e inbox.Entry) { deadLettered <- e }, Logger: slog.New(slog.DiscardHandler)},
	})
	must(err)
	hook, err := inboxkit.NewWorkFlux(webhook.Options{Inbox: box, Logger: slog.New(slog.DiscardHandler)})
	must(err)
	fixed, done := make(chan struct{}), make(chan struct{})
	hook.OnUnhandled(func(context.Context, *webhook.Delivery) error {
		select {
		case <-fixed:
			close(done)
			return nil
		default:
			return webhook.Permanent(errors.New("the customer is unknown"))
		}
	})
	ctx, end := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, hook) }()

	_, err = box.Enqueue(ctx, &webhook.Delivery{ // as the handler does
		Vendor: "workflux", Endpoint: "default", Type: "user.message", ID: "1", Keys: []string{"workflux/default/1"},
		ReceivedAt: time.Now(), Body: workfluxtest.Samples()[0].Body,
	})
	must(err)
	e := <-deadLettered
	fmt.Println(e.State, e.LastError())
	close(fixed)
	n, err := box.Retry(ctx, inbox.Filter{ID: e.ID})
	fmt.Println(n, err)
	<-done
	end()
	fmt.Println(<-ran)
	// Output:
	// dead_lettered the customer is unknown
	// 1 <nil>
	// <nil>
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
