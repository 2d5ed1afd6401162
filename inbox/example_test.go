package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/webhook"
)

// A policy is part of an engine's options. Its zero value has the defaults.
func ExamplePolicy() {
	policy := inbox.Policy{
		MaxAttempts:  10,
		Concurrency:  20,
		Limits:       map[string]int{"workflux": 5, "workflux/eu": 2}, // callbacks at once of a vendor, and of one endpoint
		DrainTimeout: 20 * time.Second,
		OnDeadLetter: func(ctx context.Context, e inbox.Entry) {
			slog.ErrorContext(ctx, "dead letter", "type", e.Delivery.Type, "error", e.LastError())
		},
	}
	// Give it to an engine: sqliteinbox.Open("inbox.db", &sqliteinbox.Options{Policy: policy})
	fmt.Println(policy.MaxAttempts, "attempts")
	// Output:
	// 10 attempts
}

// When a dependency fails, one alert describes all dead letters. In a service, examples/alerts posts it to Slack.
func ExampleDigest() {
	digest, err := inbox.NewDigest(func(_ context.Context, a inbox.Alert) error {
		fmt.Println(a)
		return nil
	}, &inbox.DigestOptions{Every: 10 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	policy := inbox.Policy{OnDeadLetter: digest.Add}
	// Give it to an engine: sqliteinbox.Open("inbox.db", &sqliteinbox.Options{Policy: policy})

	for n, text := range []string{"dial tcp 10.0.0.1:5432: connection refused", "no user 17", "dial tcp 10.0.0.2:5432: connection refused"} {
		policy.OnDeadLetter(context.Background(), inbox.Entry{ // the engine does this
			ID:       fmt.Sprint(n),
			Delivery: &webhook.Delivery{Vendor: "workflux", Endpoint: "default", Type: "integration.error"},
			Attempts: []inbox.Attempt{{Outcome: webhook.Failed, Error: text}},
		})
	}

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// At shutdown, after box.Shutdown(ctx):
	if err := digest.Close(ctx); err != nil {
		log.Println(err)
	}
	// Output:
	// 3 dead letters in 1 s, 2 of workflux integration.error: dial tcp 10.0.0.1:5432: connection refused
	// 1 of workflux integration.error: no user 17
}

// A program can use the fields of an alert instead of its text, for example to page someone only for many dead letters.
func ExampleAlert() {
	a := inbox.Alert{Count: 170, Period: 5 * time.Minute, Groups: []inbox.AlertGroup{
		{Count: 160, Vendor: "workflux", Endpoint: "eu", Type: "integration.error", Error: "connection refused", EntryID: "4711"},
		{Count: 10, Vendor: "greenflash", Endpoint: "default", Type: "conversation.rating", Error: "no such customer", EntryID: "4780"},
	}}
	for _, g := range a.Groups {
		if g.Count >= 100 {
			fmt.Printf("page: %s at %s fails with %q, see entry %s\n", g.Vendor, g.Endpoint, g.Error, g.EntryID)
		}
	}
	fmt.Println(a)
	// Output:
	// page: workflux at eu fails with "connection refused", see entry 4711
	// 170 dead letters in 5 min, 160 of workflux/eu integration.error: connection refused
	// 10 of greenflash conversation.rating: no such customer
}

// An operator runs the dead letters of one vendor again, from the last day. The inbox is that of an engine.
func ExampleFilter() {
	retryLastDay := func(ctx context.Context, box inbox.Inbox) error {
		filter := inbox.Filter{Vendor: "workflux", From: time.Now().Add(-24 * time.Hour)}
		for e, err := range box.DeadLetters(ctx, filter) {
			if err != nil {
				return err
			}
			fmt.Println(e.ID, e.Delivery.Type, e.LastError())
		}
		n, err := box.Retry(ctx, filter)
		fmt.Println(n, "dead letters run again")
		return err
	}
	_ = retryLastDay
	// Output:
}

// A program for operators retries what failed because a server was down, and says who does so and why. The inbox is that of
// an engine, or of its Attach.
func ExampleOperator() {
	box := new(memorybox.Box)
	box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "workflux", Type: "integration.error", ID: "evt_1"}, inbox.Attempt{Error: "dial tcp: connection refused"})
	box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "workflux", Type: "user.message", ID: "evt_2"}, inbox.Attempt{Error: "no such customer"})

	refused := inbox.Filter{State: inbox.DeadLettered, Text: "connection refused"}
	page, err := box.List(context.Background(), inbox.Query{Filter: refused})
	for _, e := range page.Entries {
		fmt.Println(e.Delivery.ID, e.LastError())
	}
	ctx := inbox.WithActor(context.Background(), inbox.Actor{By: "alice", Reason: "the database is back"})
	n, errRetry := box.Retry(ctx, refused)
	fmt.Println(n, "retried", errors.Join(err, errRetry))

	changes, err := box.Audit(ctx)
	fmt.Println(changes[0].By, changes[0].Action, changes[0].Entries, changes[0].Reason, err)
	// Output:
	// evt_1 dial tcp: connection refused
	// 1 retried <nil>
	// alice retry 1 the database is back <nil>
}

// While a database moves, the callbacks that need it wait. Deliveries are stored and get 200.
func ExampleOperator_pause() {
	box := new(memorybox.Box)
	ctx := inbox.WithActor(context.Background(), inbox.Actor{By: "alice", Reason: "the database moves"})
	scope := inbox.Scope{Vendor: "workflux", Type: "user.message"}
	fmt.Println(box.Pause(ctx, scope))
	pauses, err := box.Pauses(ctx)
	fmt.Println(len(pauses), pauses[0].Reason, err)
	fmt.Println(box.Resume(ctx, scope))
	// Output:
	// <nil>
	// 1 the database moves <nil>
	// <nil>
}
