package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// An Inbox is an [inbox.Inbox] in three JetStream streams. It has no Close. The connection is the user's: drain or close
// it once every Run has returned.
type Inbox struct {
	names

	js      jetstream.JetStream
	nc      *nats.Conn
	options Options
	next    string              // the subject prefix of pull requests
	streams [3]jetstream.Stream // in the order of configs

	attached bool // Attach has opened it
	controls *engine.Controls
	active   engine.Runs
	runs     sync.Map    // has the Runs of this process as its keys
	unusable atomic.Bool // a stream was deleted, or must not be used: see examine

	examinations atomic.Int64 // how many have begun
	examining    sync.Mutex
	examined     int64 // the examination that set unusable
}

var _ inbox.Inbox = (*Inbox)(nil)

// New opens the inbox of that name on the user's connection. It creates the streams that do not exist. It returns an
// error if an existing stream must not be used, or if one cannot be created. The error says why.
//
// A request whose context has no deadline waits as long as [jetstream.WithDefaultTimeout] of the client says, five seconds by
// default. A List of bodies of several megabytes over a slow connection may need more.
func New(ctx context.Context, js jetstream.JetStream, o *Options) (*Inbox, error) {
	if js == nil {
		return nil, errNoClient
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	b := newInbox(js, options)
	if err := b.openStreams(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

var errNoClient = errors.New("jetstreaminbox: New needs a JetStream client, and so does Attach")

// newInbox returns an inbox whose streams are not open yet.
func newInbox(js jetstream.JetStream, options Options) *Inbox {
	b := &Inbox{
		names: names{options.Name}, js: js, nc: js.Conn(), options: options, next: apiPrefix(js.Options()) + "CONSUMER.MSG.NEXT.",
	}
	b.controls = engine.NewControls(records{b})
	b.active.Controls, b.active.Report = b.controls, b.report
	return b
}

// apiPrefix returns the subject prefix of the client's own API requests.
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

func (b *Inbox) mainStream() jetstream.Stream       { return b.streams[0] }
func (b *Inbox) deferredStream() jetstream.Stream   { return b.streams[1] }
func (b *Inbox) deadLetterStream() jetstream.Stream { return b.streams[2] }

// Store returns Options.Store. Handlers without a Store of their Options use it.
func (b *Inbox) Store() idempotency.Store { return b.options.Store }

// checkTimeout is how long CheckHandler waits for the server.
const checkTimeout = 5 * time.Second

// CheckHandler implements [webhook.Inbox]. It refuses a handler whose bodies are longer than the server accepts. It also
// refuses every handler if a stream acknowledges deliveries before they are on disk.
func (b *Inbox) CheckHandler(vendor, endpoint string, maxBody int64) error {
	if b.attached {
		return errAttached
	}
	if got, need := b.nc.MaxPayload(), maxBody+maxEnvelope; got < need {
		return fmt.Errorf("jetstreaminbox: the server's max_payload is %d bytes, but the handler %s/%s with Options.MaxBody %d needs %d bytes, "+
			"%d of them for headers and attempts; raise max_payload, or lower MaxBody", got, vendor, endpoint, maxBody, need, maxEnvelope)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	return b.checkStreams(ctx, func(got jetstream.StreamConfig) error {
		if most := got.MaxMsgSize; most > 0 && int64(most) < maxBody+maxEnvelope {
			return fmt.Errorf("jetstreaminbox: the max_msg_size of stream %s is %d bytes, but the handler %s/%s with Options.MaxBody %d needs %d bytes; "+
				"raise max_msg_size, or lower MaxBody", got.Name, most, vendor, endpoint, maxBody, maxBody+maxEnvelope)
		}
		return nil
	})
}
