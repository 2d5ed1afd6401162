// Durable receives the webhooks of WorkFlux with an SQLite inbox. It stores each delivery and responds at once. The callback runs
// afterwards: again if it fails, and in the next process if this one exits. Start it in the root of a checkout with
//
//	WORKFLUX_WEBHOOK_SECRET=whsec go run ./examples/durable
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	box, err := sqliteinbox.Open(cmp.Or(os.Getenv("INBOX"), "inbox.db"), nil)
	if err != nil {
		return err
	}
	hook, err := workflux.NewHandler(os.Getenv("WORKFLUX_WEBHOOK_SECRET"), &webhook.Options{Inbox: box})
	if err != nil {
		return errors.Join(err, box.Close())
	}
	hook.OnConversationCompleted(func(_ context.Context, e *workflux.ConversationCompleted) error {
		log.Println("completed:", e.ConversationID) // WorkFlux already has its 200. If the callback returns an error, it runs again.
		return nil
	})
	http.Handle("POST /webhooks/workflux", hook)
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return errors.Join(err, box.Close())
	}
	log.Println("listening on", listener.Addr())
	server := webhook.NewServer("", nil)
	go func() { log.Println("serve:", server.Serve(listener)) }()
	go func() { log.Println("run:", box.Run(context.Background(), hook)) }()

	<-ctx.Done()
	drain, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	// Stop requests first, then callbacks, then the inbox, all with one deadline. The next process runs the deliveries that are
	// left.
	return errors.Join(server.Shutdown(drain), hook.Shutdown(drain), box.Shutdown(drain), box.Close())
}
