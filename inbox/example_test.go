package inbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
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
