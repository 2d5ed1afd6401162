package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// fillInbox runs a service that stores deliveries in an inbox, until all are done or dead letters.
func fillInbox(ctx context.Context, work string) (err error) {
	quiet := slog.New(slog.DiscardHandler)
	box, err := sqliteinbox.Open(filepath.Join(work, "inbox.db"), &sqliteinbox.Options{Poll: 20 * time.Millisecond, Policy: inbox.Policy{
		MaxAttempts: 3, Backoff: func(int) time.Duration { return 50 * time.Millisecond }, Logger: quiet,
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	secret := newSecret("WORKFLUX")
	_, value, _ := strings.Cut(secret, "=")
	hook, err := workflux.NewHandler(value, &webhook.Options{Inbox: box, Logger: quiet})
	if err != nil {
		return err
	}
	hook.OnConversationEscalated(func(context.Context, *workflux.ConversationEscalated) error {
		return errors.New("pager: dial tcp 10.0.0.7:443: connect: connection refused")
	})
	hook.OnIntegrationError(func(context.Context, *workflux.IntegrationError) error {
		return webhook.Permanent(errors.New("no such integration: crm-eu"))
	})
	hook.OnUserMessage(func(context.Context, *workflux.UserMessage) error { return nil })
	hook.OnAgentResponse(func(context.Context, *workflux.AgentResponse) error { return nil })
	service := httptest.NewServer(hook)
	defer service.Close()
	for _, event := range []string{"user.message", "conversation.escalated", "integration.error", "agent.response", "conversation.escalated"} {
		if err := newTerminal(work).run(ctx, []string{secret}, "aihooks send workflux "+event+" --url "+service.URL); err != nil {
			return err
		}
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- box.Run(running, hook) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var stats inbox.Stats
		if stats, err = box.Stats(ctx); err != nil || stats.DeadLettered == 3 && stats.Done == 2 {
			break
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("the deliveries are not done: %+v", stats.Counts)
			break
		}
	}
	cancel()
	return errors.Join(err, <-ended)
}
