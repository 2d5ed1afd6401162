package jetstreaminbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A puller fetches the messages of a consumer, over one subscription for the whole Run. The client's own Fetch has a
// subscription for each request. It drops a message that arrives after the request has timed out, and that would count
// as an attempt. A puller receives such a message with the next request.
type puller struct {
	box      *Inbox
	subject  string
	inbox    string
	msgs     chan *nats.Msg
	sub      *nats.Subscription
	requests int
	open     time.Time // until when the current request may get responses
	left     int       // how many more messages the current request may get
}

const (
	maxFetch = 128 // the largest batch of a handler; all its callbacks start at once

	// A request without a message waits idlePerHandler for each handler of the Run, within these bounds. So an idle Run with up to
	// a thousand handlers sends at most one request per idlePerHandler. The end of a Run waits for open requests. A request
	// cannot be cancelled: a message that the server has just sent would be lost.
	minIdle        = 500 * time.Millisecond
	idlePerHandler = 5 * time.Millisecond
	maxIdle        = 5 * time.Second

	// overdue is how much longer the response may take.
	overdue = time.Second

	lateBuffer = 1024 // for the messages of a few timed-out requests
)

// idle returns how long a request waits if there is no message.
func (r *run) idle() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(max(minIdle, time.Duration(len(r.handlers))*idlePerHandler), maxIdle)
}

func newPuller(b *Inbox, vendor, endpoint string) (*puller, error) {
	p := &puller{
		box: b, subject: b.next + b.main() + "." + consumerName(vendor, endpoint),
		inbox: b.nc.NewInbox(), msgs: make(chan *nats.Msg, lateBuffer),
	}
	var err error
	p.sub, err = b.nc.ChanSubscribe(p.inbox+".*", p.msgs)
	return p, err
}

// request requests n messages. It gets those that are available, or the first one that arrives within wait.
func (p *puller) request(n int, wait time.Duration) error {
	p.requests++
	request := struct {
		Batch   int           `json:"batch"`
		Expires time.Duration `json:"expires,omitempty"`
		NoWait  bool          `json:"no_wait,omitempty"`
	}{n, wait, wait == 0}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	p.open, p.left = time.Now().Add(wait+overdue), n
	return p.box.nc.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.requests), text)
}

// handleStatus handles a status message. It reports whether the status ends the current request, and with which error.
func (p *puller) handleStatus(msg *nats.Msg) (ends bool, err error) {
	if msg.Subject != p.inbox+"."+strconv.Itoa(p.requests) {
		return false, nil
	}
	switch status := msg.Header.Get("Status"); status {
	case "100": // a heartbeat
		return false, nil
	case "404", "408": // no messages, or no more of them
		return true, nil
	default:
		return true, fmt.Errorf("%w: %s %s", errConsumerRefused, status, msg.Header.Get("Description"))
	}
}

// errConsumerRefused is the error of a request whose consumer does not exist any more, or not for this request.
var errConsumerRefused = errors.New("jetstreaminbox: the consumer refused a request")

func isStatus(msg *nats.Msg) bool {
	return len(msg.Data) == 0 && len(msg.Header["Status"]) > 0 && len(msg.Header[headerDelivery]) == 0
}

// config returns the configuration of the handler's consumer.
func (h *handlerRun) config() jetstream.ConsumerConfig {
	b := h.run.box
	return jetstream.ConsumerConfig{
		Durable:       consumerName(h.Vendor(), h.Endpoint()),
		Description:   "aihooks: runs " + h.Vendor() + "/" + h.Endpoint(),
		FilterSubject: b.in(h.Vendor(), h.Endpoint()),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       b.options.Lease,
		MaxDeliver:    -1, // the policy limits attempts
		MaxAckPending: -1, // deliveries that wait for their next attempt count, so a limit would stop all others
	}
}

// maxCreating is how many consumers of a Run are created at once. A slow server would not create hundreds in tryTimeout,
// and would then create them again for the next tries.
const maxCreating = 8

// consumer creates or updates the handler's consumer.
func (h *handlerRun) consumer(ctx context.Context) error {
	select {
	case h.run.creating <- struct{}{}:
		defer func() { <-h.run.creating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if _, err := h.run.box.mainStream().CreateOrUpdateConsumer(ctx, h.config()); err != nil {
		return fmt.Errorf("jetstreaminbox: the consumer of %s/%s: %w", h.Vendor(), h.Endpoint(), err)
	}
	return nil
}

// The pauses after failed requests. Each is twice as long as the one before.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 2 * time.Second
)

// pull fetches deliveries while there are free slots, until ctx ends. It returns when no message can arrive any more, and
// it has returned the late ones to the server.
func (h *handlerRun) pull(ctx context.Context) {
	b := h.run.box
	for ready, wait := false, firstPause; !ready; {
		if ctx.Err() != nil {
			return
		}
		err := h.consumer(ctx)
		if err == nil && h.puller == nil {
			h.more = true
			h.puller, err = newPuller(b, h.Vendor(), h.Endpoint())
		}
		if ready = err == nil; !ready && ctx.Err() == nil {
			b.report(err)
			pause(ctx, wait)
			wait = min(2*wait, lastPause)
		}
	}
	defer func() { _ = h.puller.sub.Unsubscribe() }()
	for wait := firstPause; ctx.Err() == nil; {
		if err := h.fetchOnce(ctx); err == nil {
			wait = firstPause
		} else if ctx.Err() == nil {
			b.report(err)
			pause(ctx, wait)
			wait = min(2*wait, lastPause)
			if err := h.consumer(ctx); err != nil && ctx.Err() == nil { // the consumer may have been deleted
				b.report(err)
			}
		}
	}
	h.returnLate()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// fetchOnce starts all available deliveries for which there are slots. Without any, it waits for one message.
func (h *handlerRun) fetchOnce(ctx context.Context) error {
	d := h.run.dispatcher
	if !h.more {
		// Waiting reserves no slot, so that other handlers can use all of them.
		_, err := h.fetch(ctx, 1, h.run.idle())
		return err
	}
	n := d.Reserve(h.Vendor(), h.Endpoint(), maxFetch)
	if n == 0 {
		select {
		case <-ctx.Done():
		case <-h.freed:
		}
		return nil
	}
	h.slots = n
	got, err := h.fetch(ctx, n, 0)
	d.Unreserve(h.Vendor(), h.Endpoint(), h.slots)
	h.slots = 0
	h.more = h.more && got > 0
	return err
}

// fetch requests messages, and starts each when it arrives.
func (h *handlerRun) fetch(ctx context.Context, n int, wait time.Duration) (got int, err error) {
	p := h.puller
	if err := p.request(n, wait); err != nil {
		return 0, fmt.Errorf("jetstreaminbox: %w", err)
	}
	timer := time.NewTimer(time.Until(p.open))
	defer timer.Stop()
	for got < n {
		select {
		case <-ctx.Done():
			return got, nil
		case <-timer.C: // the next fetch receives late messages
			return got, errNoResponse
		case msg := <-p.msgs:
			if isStatus(msg) {
				ends, err := p.handleStatus(msg)
				if ends {
					p.open = time.Time{}
					return got, err
				}
				continue
			}
			p.left--
			got++
			h.accept(ctx, msg)
		}
	}
	p.open = time.Time{}
	return got, nil
}

var errNoResponse = errors.New("jetstreaminbox: the server does not respond")

// accept starts a delivery once there is a slot. After a lease without one, it gives back the delivery.
func (h *handlerRun) accept(ctx context.Context, msg *nats.Msg) {
	r := h.run
	t, err := r.read(msg)
	if err != nil {
		r.box.report(err)
		return
	}
	h.more = t.more
	if h.slots > 0 {
		h.slots--
		r.begin(ctx, h, t)
		return
	}
	r.addLease(t)
	tooLong := time.After(r.box.options.Lease)
	for waiting := true; waiting && ctx.Err() == nil; {
		if r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), 1) == 1 {
			r.begin(ctx, h, t)
			return
		}
		select {
		case <-ctx.Done():
		case <-h.freed:
		case <-tooLong: // the callbacks may run for hours, and another process may have a slot
			waiting, h.more = false, true // requests no more until there is a slot
		}
	}
	r.dispatcher.GiveBack(t)
}

// returnLate returns late messages to the server, until the current request has ended.
func (h *handlerRun) returnLate() {
	p := h.puller
	timer := time.NewTimer(max(0, time.Until(p.open)))
	defer timer.Stop()
	for {
		var msg *nats.Msg
		if p.open.IsZero() || h.run.box.nc.IsClosed() {
			select {
			case msg = <-p.msgs:
			default:
				return
			}
		} else {
			select {
			case msg = <-p.msgs:
			case <-timer.C:
				p.open = time.Time{}
				continue
			}
		}
		if isStatus(msg) {
			if ends, _ := p.handleStatus(msg); ends {
				p.open = time.Time{}
			}
			continue
		}
		if t, err := h.run.read(msg); err == nil {
			h.run.addLease(t)
			h.run.dispatcher.GiveBack(t)
		}
		if p.left--; p.left <= 0 {
			p.open = time.Time{} // the request has all its messages
		}
	}
}
