package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

// A box is the inbox that INBOX or OLD_INBOX names. Without a name, its Inbox is nil.
type box struct {
	inbox.Inbox
	close func() error

	end     context.CancelFunc // of Run
	running sync.WaitGroup
}

// openInbox opens the inbox with a name: "", sqlite:PATH, river:postgres://… or jetstream:nats://…
func openInbox(ctx context.Context, name string, o *webhook.Options) (*box, error) {
	b := &box{close: func() error { return nil }, end: func() {}}
	kind, source, _ := strings.Cut(name, ":")
	policy := inbox.Policy{Logger: o.Logger}
	var err error
	switch kind {
	case "":
	case "sqlite":
		var opened *sqliteinbox.Inbox
		if opened, err = sqliteinbox.Open(source, &sqliteinbox.Options{Policy: policy}); err == nil {
			b.Inbox, b.close = opened, opened.Close
		}
	case "river":
		b.Inbox, b.close, err = openRiver(ctx, source, policy)
	case "jetstream":
		b.Inbox, b.close, err = openJetStream(ctx, source, policy, o.Store)
	default:
		err = errors.New("must be sqlite:PATH, river:postgres://… or jetstream:nats://…")
	}
	return b, err
}

// start runs the handlers' deliveries until the inbox is closed.
func (b *box) start(hooks []*webhook.Handler, logger *slog.Logger) {
	if b.Inbox == nil || len(hooks) == 0 {
		return
	}
	list := make([]inbox.Handler, len(hooks))
	for i, h := range hooks {
		list[i] = h
	}
	ctx, end := context.WithCancel(context.Background())
	b.end = end
	b.running.Go(func() {
		if err := b.Run(ctx, list...); err != nil && !errors.Is(err, inbox.ErrShutdown) {
			logger.Error("the inbox stopped running deliveries", "error", err)
		}
	})
}

// shutDown stops what start has started, before ctx ends.
func (b *box) shutDown(ctx context.Context) error {
	if b.Inbox == nil {
		return nil
	}
	return b.Inbox.Shutdown(ctx)
}

// Close stops Run and closes the inbox.
func (b *box) Close() error {
	b.end()
	b.running.Wait()
	return b.close()
}
