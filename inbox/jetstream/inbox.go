package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// An Inbox is an [inbox.Inbox] in three JetStream streams. It has nothing to be closed: the connection is the user's, to
// be drained or closed once every Run has returned.
type Inbox struct {
	names

	js      jetstream.JetStream
	nc      *nats.Conn
	options Options
	next    string              // what the subjects begin with that messages are asked for on
	streams [3]jetstream.Stream // in the order of configs

	active   engine.Runs
	saidAt   atomic.Int64 // when report said something last, in Unix nanoseconds
	unusable atomic.Bool  // a stream is gone, or must not be used: see examine
}

var _ inbox.Inbox = (*Inbox)(nil)

// New opens the inbox of that name, over the user's connection. It creates the streams that are not there, and returns an
// error that says why if one that is there must not be used, or cannot be created.
func New(ctx context.Context, js jetstream.JetStream, o *Options) (*Inbox, error) {
	if js == nil {
		return nil, errors.New("jetstream: New needs a JetStream client")
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Inbox{names: names{options.Name}, js: js, nc: js.Conn(), options: options, next: apiPrefix(js.Options()) + "CONSUMER.MSG.NEXT."}
	if err := b.openStreams(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// apiPrefix is what the client's own requests begin with.
func apiPrefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.Domain != "":
		return fmt.Sprintf("$JS.%s.API.", o.Domain)
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	default:
		return jetstream.DefaultAPIPrefix
	}
}

func (b *Inbox) mainStream() jetstream.Stream  { return b.streams[0] }
func (b *Inbox) asideStream() jetstream.Stream { return b.streams[1] }
func (b *Inbox) deadStream() jetstream.Stream  { return b.streams[2] }

// Store returns Options.Store, which handlers take whose own options name none.
func (b *Inbox) Store() idempotency.Store { return b.options.Store }

// checkTimeout is how long CheckHandler waits for the server.
const checkTimeout = 5 * time.Second

// CheckHandler implements [webhook.Inbox]: no handler can be built whose bodies are longer than the server takes,
// nor one before a stream that acknowledges deliveries which it does not have on disk.
func (b *Inbox) CheckHandler(vendor, endpoint string, maxBody int64) error {
	if got, need := b.nc.MaxPayload(), maxBody+envelopeRoom; got < need {
		return fmt.Errorf("jetstream: the server's max_payload is %d bytes, and the handler %s/%s with Options.MaxBody %d needs %d: "+
			"%d more for headers and attempts; raise max_payload, or lower MaxBody", got, vendor, endpoint, maxBody, need, envelopeRoom)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	return b.checkStreams(ctx, func(got jetstream.StreamConfig) error {
		if most := got.MaxMsgSize; most > 0 && int64(most) < maxBody+envelopeRoom {
			return fmt.Errorf("jetstream: stream %s takes messages of %d bytes, and the handler %s/%s with Options.MaxBody %d needs %d; "+
				"raise its max_msg_size, or lower MaxBody", got.Name, most, vendor, endpoint, maxBody, maxBody+envelopeRoom)
		}
		return nil
	})
}
