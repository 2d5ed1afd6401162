package sqliteinbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// deliver sends a WorkFlux payload to the handler and returns the status of the response.
func deliver(hook http.Handler, eventType string) int {
	sender := webhooktest.Signer{Profile: workflux.Profile(), URL: "http://localhost/", Key: signature.NewKey("", "secret")}
	for _, sample := range workfluxtest.Samples() {
		if sample.Type != eventType {
			continue
		}
		body := sender.Stamp(sample.Body, time.Now())
		for try := 1; ; try++ { // as the vendor does after a 503, which a busy machine may respond
			request, err := sender.Request(body, time.Now(), "")
			if err != nil {
				log.Fatal(err)
			}
			answer := httptest.NewRecorder()
			hook.ServeHTTP(answer, request)
			if answer.Code != http.StatusServiceUnavailable || try == 20 {
				return answer.Code
			}
		}
	}
	return 0
}

func temporary() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(dir, "inbox.db"), func() { _ = os.RemoveAll(dir) }
}

// A delivery is stored before the response. Its callback runs afterwards.
func Example() {
	path, remove := temporary()
	defer remove()

	box, err := sqliteinbox.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box})
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan struct{})
	hook.OnConversationCompleted(func(_ context.Context, e *workflux.ConversationCompleted) error {
		fmt.Println("called back for", e.ConversationID)
		close(ran)
		return nil // after an error, it is retried with a growing backoff
	})
	fmt.Println("answered", deliver(hook, "conversation.completed")) // no callback runs yet

	go func() { _ = box.Run(context.Background(), hook) }()
	<-ran
	// In a service: http.Server.Shutdown, hook.Shutdown, box.Shutdown, and then
	if err := box.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// answered 200
	// called back for conv-123
}

// A callback can write to the inbox's file in one transaction with the mark that its delivery is done. Then it takes
// effect exactly once.
func ExampleInbox_Transact() {
	path, remove := temporary()
	defer remove()
	box, err := sqliteinbox.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()
	err = box.Transact(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS conversations (id TEXT NOT NULL, messages INTEGER NOT NULL)`)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box})
	if err != nil {
		log.Fatal(err)
	}
	ran := make(chan struct{})
	hook.OnConversationCompleted(func(ctx context.Context, e *workflux.ConversationCompleted) error {
		defer close(ran)
		return box.Transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO conversations VALUES (?, ?)`, e.ConversationID, e.MessagesCount); err != nil {
				return err
			}
			return box.CompleteTx(ctx, tx)
		})
	})
	deliver(hook, "conversation.completed")
	go func() { _ = box.Run(context.Background(), hook) }()
	<-ran

	err = box.Transact(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		var rows int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM conversations`).Scan(&rows)
		fmt.Println("conversations:", rows)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: conversations: 1
}

// List dead letters, and retry them once the cause is fixed.
func ExampleInbox_DeadLetters() {
	path, remove := temporary()
	defer remove()
	deadLettered, ran := make(chan struct{}), make(chan struct{})
	box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Policy: inbox.Policy{
		MaxAttempts:  3,
		Backoff:      func(int) time.Duration { return time.Millisecond },
		Limits:       map[string]int{"workflux": 4}, // at most 4 callbacks at the same time
		OnDeadLetter: func(context.Context, inbox.Entry) { close(deadLettered) },
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()
	hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box, StoreTimeout: 4 * time.Second}) // for a slow disk
	if err != nil {
		log.Fatal(err)
	}
	mended := false
	hook.OnConversationCompleted(func(_ context.Context, e *workflux.ConversationCompleted) error {
		if !mended {
			return errors.New("no route to the billing service")
		}
		fmt.Println("called back for", e.ConversationID)
		close(ran)
		return nil
	})
	deliver(hook, "conversation.completed")
	go func() { _ = box.Run(context.Background(), hook) }()
	<-deadLettered

	ctx := context.Background()
	lastHour := inbox.Filter{Vendor: "workflux", Type: "conversation.completed", From: time.Now().Add(-time.Hour)}
	for entry, err := range box.DeadLetters(ctx, lastHour) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(entry.Delivery.Type, "after", len(entry.Attempts), "attempts:", entry.LastError())
	}
	mended = true
	n, err := box.Retry(ctx, lastHour)
	fmt.Println("retried:", n, err)
	<-ran
	// Output:
	// conversation.completed after 3 attempts: no route to the billing service
	// retried: 1 <nil>
	// called back for conv-123
}
