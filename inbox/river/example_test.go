//go:build unix

package riverinbox_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// The handler stores a delivery in PostgreSQL before it responds. The callback writes its side effect and completes the
// delivery in one transaction.
func Example() {
	ctx := context.Background()
	server, err := pgtest.Open()
	must(err)
	defer func() { must(server.Close()) }()

	pool, err := pgxpool.New(ctx, server.DSN("postgres"))
	must(err)
	defer pool.Close()
	_, err = pool.Exec(ctx, `CREATE TABLE escalations (conversation text)`)
	must(err)

	box, err := riverinbox.New(pool, nil)
	must(err)
	defer func() { must(box.Close()) }()
	must(box.Migrate(ctx))    // every replica may call it on every start
	config := &river.Config{} // may have other workers and queues
	must(box.Configure(config))
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	must(err)
	must(box.Use(ctx, client))
	must(client.Start(ctx))

	hook, err := convosphere.NewHandler("convosphere-secret-0123456789", &webhook.Options{
		Inbox: box, Logger: slog.New(slog.DiscardHandler),
	})
	must(err)
	handled := make(chan string, 1)
	hook.OnEvent(func(ctx context.Context, e webhook.AnyEvent) error {
		id := e.Delivery().ID
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO escalations VALUES ($1)`, id); err != nil {
				return err
			}
			return box.CompleteTx(ctx, tx)
		})
		handled <- e.Delivery().Type
		return err
	})
	running, end := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- box.Run(running, hook) }()

	for range 2 { // the vendor sends twice
		w := httptest.NewRecorder()
		hook.ServeHTTP(w, delivery())
		fmt.Println(w.Code)
	}
	fmt.Println(<-handled)

	must(hook.Shutdown(ctx))
	end()
	must(<-ran)
	must(client.Stop(ctx))
	var effects int
	must(pool.QueryRow(ctx, `SELECT count(*) FROM escalations`).Scan(&effects))
	fmt.Println(effects, "side effect")
	// Output:
	// 200
	// 200
	// message.created
	// 1 side effect
}

// delivery returns a request of the vendor.
func delivery() *http.Request {
	sender := webhooktest.Signer{
		Profile: convosphere.Profile(), URL: "https://example.com/webhooks/convosphere",
		Key: signature.NewKey("", "convosphere-secret-0123456789"),
	}
	now := time.Now()
	r, err := sender.Request(sender.Stamp(convospheretest.Samples()[0].Body, now), now, "")
	must(err)
	return r
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
