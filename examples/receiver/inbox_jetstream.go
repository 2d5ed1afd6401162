package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// openJetStream opens an inbox on a NATS server. The inbox has three replicas, unless the URL ends in ?server_syncs_always=true.
func openJetStream(ctx context.Context, source string, policy inbox.Policy, store idempotency.Store) (inbox.Inbox, func() error, error) {
	if store == nil {
		return nil, nil, errors.New("jetstream needs a STORE that all receivers share")
	}
	address, err := url.Parse(source)
	if err != nil || address.Host == "" {
		return nil, nil, errors.New("jetstream: must be jetstream:nats://HOST:PORT")
	}
	syncs := address.Query().Get("server_syncs_always") == "true"
	address.RawQuery = ""
	nc, err := nats.Connect(address.String(), nats.Name("receiver"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, nil, fmt.Errorf("jetstream: %w", err)
	}
	closes := func() error { nc.Close(); return nil }
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, nil, errors.Join(err, closes())
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	opened, err := jetstreaminbox.New(ctx, js, &jetstreaminbox.Options{Policy: policy, Store: store, ServerSyncsAlways: syncs})
	if err != nil {
		return nil, nil, errors.Join(err, closes())
	}
	return opened, closes, nil
}
