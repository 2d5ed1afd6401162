package boxes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// jetStreamTimeout is the time to connect, and for a request. A person would rather wait than try again.
const jetStreamTimeout = 10 * time.Second

// openJetStream connects to NATS. The parameters "name" and "creds" name the inbox and a file with credentials.
func openJetStream(ctx context.Context, address string, _ Mode) (*Box, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("jetstream: the address must be a URL of a NATS server") // err may have the password
	}
	parameters := u.Query()
	u.RawQuery = ""
	options := []nats.Option{nats.Name("aihooks"), nats.MaxReconnects(-1), nats.Timeout(jetStreamTimeout)}
	if file := parameters.Get("creds"); file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	nc, err := nats.Connect(u.String(), options...)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %s: %w", u.Host, err)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(jetStreamTimeout))
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
	inspect := func(ctx context.Context) ([]Fault, error) { return inspectJetStream(ctx, js, name) }
	return &Box{Operator: box, Title: u.Host + " " + name, Inspect: inspect, Close: func() error { nc.Close(); return nil }}, nil
}

// inspectJetStream looks for settings of the stream of deliveries with which the server loses them.
func inspectJetStream(ctx context.Context, js jetstream.JetStream, name string) (faults []Fault, err error) {
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	c := s.CachedInfo().Config
	if c.Storage != jetstream.FileStorage {
		faults = append(faults, Fault{Found: "The stream is in memory: a restart of the server loses all deliveries.", Fix: "Create the stream with file storage.", Severe: true})
	}
	if c.Replicas < jetstreaminbox.DefaultReplicas {
		faults = append(faults, Fault{
			Found: fmt.Sprintf("The stream has %d of %d replicas. Then a server acknowledges deliveries up to two minutes before they are on disk, unless sync_interval is always, which a client cannot read.", c.Replicas, jetstreaminbox.DefaultReplicas),
			Fix:   "Look for sync_interval: always in the configuration of the servers, or use three replicas.",
		})
	}
	return faults, nil
}
