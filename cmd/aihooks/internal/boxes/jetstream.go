package boxes

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// openJetStream connects to NATS. The parameters "name" and "creds" name the inbox and a file with credentials.
func openJetStream(ctx context.Context, address string, _ Mode) (*Box, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("jetstream: the address must be a URL of a NATS server") // err may have the password
	}
	parameters := u.Query()
	u.RawQuery = ""
	options := []nats.Option{nats.Name("aihooks"), nats.MaxReconnects(-1)}
	if file := parameters.Get("creds"); file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	nc, err := nats.Connect(u.String(), options...)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %s: %w", u.Host, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	name := parameters.Get("name")
	if name == "" {
		name = jetstreaminbox.DefaultName
	}
	box, err := jetstreaminbox.Attach(ctx, js, name)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Box{Operator: box, Title: u.Host + " " + name, Close: func() error { nc.Close(); return nil }}, nil
}
