package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

// A box is the inbox that INBOX names, or none.
type box struct {
	inbox.Inbox
	close func() error
}

// openInbox opens what INBOX names, and gives it to the handlers: nothing, or sqlite:PATH.
func openInbox(c config, o *webhook.Options) (*box, error) {
	kind, path, _ := strings.Cut(c.inbox, ":")
	switch kind {
	case "":
		return &box{close: func() error { return nil }}, nil
	case "sqlite":
		opened, err := sqlite.Open(path, &sqlite.Options{Policy: inbox.Policy{Logger: o.Logger, DrainTimeout: drainTimeout}})
		if err != nil {
			return nil, err
		}
		o.Inbox = opened
		return &box{opened, opened.Close}, nil
	default:
		return nil, errors.New("must be sqlite:PATH")
	}
}

// start has the inbox call back, until it is closed.
func (b *box) start(hooks []*webhook.Handler, logger *slog.Logger) {
	if b.Inbox == nil || len(hooks) == 0 {
		return
	}
	list := make([]inbox.Hook, len(hooks))
	for i, h := range hooks {
		list[i] = h
	}
	go func() {
		if err := b.Run(context.Background(), list...); err != nil {
			logger.Error("inbox", "error", err)
		}
	}()
}

// Close ends what start has started, and closes the inbox.
func (b *box) Close() error { return b.close() }
