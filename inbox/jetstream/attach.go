package jetstreaminbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// errAttached is returned by the methods that need an inbox of New.
var errAttached = errors.New("jetstreaminbox: an inbox that Attach has opened cannot store or run deliveries; open it with New")

// Attach opens an inbox that a service has created and may have open. It is for tools that list, retry, discard or pause
// deliveries. It needs no Store, and creates and changes no stream. It also opens streams that New refuses as unsafe. Without a
// name, it opens [DefaultName].
//
// Attach returns an error if one of the three streams does not exist. Enqueue, Run, CheckHandler and Ready return an error too.
//
// The connection's user needs these permissions to list, show and count:
//
//	publish    $JS.API.STREAM.INFO.AIHOOKS
//	publish    $JS.API.STREAM.INFO.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.INFO.AIHOOKS_DEADLETTERS
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.MSG.GET.AIHOOKS_DEADLETTERS
//	subscribe  _INBOX.>
//
// It needs these in addition to retry, rerun, discard, pause and resume:
//
//	publish    AIHOOKS.in.>
//	publish    AIHOOKS.deferred.>
//	publish    AIHOOKS.deadletter.>
//	publish    AIHOOKS.record.>
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_DEFERRED
//	publish    $JS.API.STREAM.MSG.DELETE.AIHOOKS_DEADLETTERS
func Attach(ctx context.Context, js jetstream.JetStream, name string) (*Inbox, error) {
	if js == nil {
		return nil, errNoClient
	}
	options, err := (&Options{Name: name}).withoutStore()
	if err != nil {
		return nil, err
	}
	b := newInbox(js, options)
	b.attached = true
	for i, want := range b.configs() {
		s, err := js.Stream(ctx, want.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return nil, fmt.Errorf("jetstreaminbox: there is no inbox %s: stream %s does not exist; New creates it: %w", b.name, want.Name, err)
		case err != nil:
			return nil, b.explain(want, err)
		}
		if err := b.checkSubjects(want, s.CachedInfo().Config); err != nil {
			return nil, err
		}
		b.streams[i] = s
	}
	return b, nil
}
