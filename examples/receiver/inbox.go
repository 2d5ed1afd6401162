package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

// A box is the inbox that INBOX names, or none.
type box struct {
	inbox.Inbox
	close func() error

	ctx     context.Context // of Run
	end     context.CancelFunc
	running sync.WaitGroup
}

// openInbox opens what INBOX names, and gives it to the handlers: nothing, sqlite:PATH, or jetstream:nats://…
func openInbox(ctx context.Context, c config, o *webhook.Options) (*box, error) {
	kind, path, _ := strings.Cut(c.inbox, ":")
	policy := inbox.Policy{Logger: o.Logger, DrainTimeout: drainTimeout}
	switch kind {
	case "":
		return &box{close: func() error { return nil }}, nil
	case "sqlite":
		opened, err := sqlite.Open(path, &sqlite.Options{Policy: policy})
		if err != nil {
			return nil, err
		}
		o.Inbox = opened
		return &box{Inbox: opened, close: opened.Close, ctx: context.Background()}, nil
	case "jetstream":
		return openJetStream(ctx, path, policy, o)
	default:
		return nil, errors.New("must be sqlite:PATH or jetstream:nats://…")
	}
}

// openJetStream connects to a server, which is asked for three replicas unless the URL ends in ?server_syncs_always=true.
func openJetStream(ctx context.Context, source string, policy inbox.Policy, o *webhook.Options) (*box, error) {
	if o.Store == nil {
		return nil, errors.New("jetstream needs a STORE that all receivers share")
	}
	address, err := url.Parse(source)
	if err != nil || address.Host == "" {
		return nil, errors.New("jetstream: must be jetstream:nats://HOST:PORT")
	}
	syncs := address.Query().Get("server_syncs_always") == "true"
	address.RawQuery = ""
	nc, err := nats.Connect(address.String(), nats.Name("receiver"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	js, err := jetstream.New(nc)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		var opened *jetstreaminbox.Inbox
		opened, err = jetstreaminbox.New(ctx, js, &jetstreaminbox.Options{Policy: policy, Store: o.Store, ServerSyncsAlways: syncs})
		if err == nil {
			o.Inbox = opened
			return runUntilClosed(opened, nc.Close), nil
		}
	}
	nc.Close()
	return nil, err
}

// runUntilClosed is for an engine that ends a Run with its context alone.
func runUntilClosed(opened inbox.Inbox, closes func()) *box {
	b := &box{Inbox: opened}
	b.ctx, b.end = context.WithCancel(context.Background())
	b.close = func() error {
		b.end()
		b.running.Wait()
		closes()
		return nil
	}
	return b
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
	b.running.Go(func() {
		if err := b.Run(b.ctx, list...); err != nil {
			logger.Error("inbox", "error", err)
		}
	})
}

// Close ends what start has started, and closes the inbox.
func (b *box) Close() error { return b.close() }
