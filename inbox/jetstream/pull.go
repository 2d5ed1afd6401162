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

// A puller asks for a consumer's messages. It does so itself, over one subscription for the whole of a Run: a message that
// comes after the client has given up waiting, because the server or the network held it up, is still somebody's.
// The client's own Fetch has a subscription for each request, and drops such a message: it would count as an attempt.
type puller struct {
	box     *Inbox
	subject string
	inbox   string
	msgs    chan *nats.Msg
	sub     *nats.Subscription
	asked   int
	open    time.Time // until when the request under way may be answered
	left    int       // how many more messages it may have
}

const (
	takeMost = 128 // how many deliveries of a handler are asked for at once; all of them are begun at once

	// A request waits this long for a message, where there is none: idlePerHandler for each handler of the Run, within the bounds. So
	// a Run without work sends at most one request in idlePerHandler, up to a thousand handlers. The end of a Run waits for the
	// requests that are open: the server cannot take one back without the loss of a message that it has just sent.
	leastIdle      = 500 * time.Millisecond
	idlePerHandler = 5 * time.Millisecond
	mostIdle       = 5 * time.Second

	// overdue is how much longer the answer may take.
	overdue = time.Second

	roomForLate = 1024 // messages nobody waits for any more: those of a few requests
)

// idle is how long a request waits where there is no message.
func (r *run) idle() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(max(leastIdle, time.Duration(len(r.handlers))*idlePerHandler), mostIdle)
}

func newPuller(b *Inbox, vendor, endpoint string) (*puller, error) {
	p := &puller{
		box: b, subject: b.next + b.main() + "." + consumerName(vendor, endpoint),
		inbox: b.nc.NewInbox(), msgs: make(chan *nats.Msg, roomForLate),
	}
	var err error
	p.sub, err = b.nc.ChanSubscribe(p.inbox+".*", p.msgs)
	return p, err
}

// ask asks for n messages: those that are there, or else whichever comes first while it waits.
func (p *puller) ask(n int, wait time.Duration) error {
	p.asked++
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
	return p.box.nc.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.asked), text)
}

// answer tells what a message that is none says: whether it ends the request under way, and how.
func (p *puller) answer(msg *nats.Msg) (ends bool, err error) {
	if msg.Subject != p.inbox+"."+strconv.Itoa(p.asked) {
		return false, nil
	}
	switch status := msg.Header.Get("Status"); status {
	case "100": // a heartbeat
		return false, nil
	case "404", "408": // no messages, or no more of them
		return true, nil
	default:
		return true, fmt.Errorf("jetstream: the consumer answers %s %s", status, msg.Header.Get("Description"))
	}
}

func isStatus(msg *nats.Msg) bool {
	return len(msg.Data) == 0 && len(msg.Header["Status"]) > 0 && len(msg.Header[headerDelivery]) == 0
}

// consumer creates the handler's consumer, or has it as it should be.
func (h *handlerRun) consumer(ctx context.Context) error {
	b := h.run.box
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	_, err := b.mainStream().CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       consumerName(h.Vendor(), h.Endpoint()),
		Description:   "aihooks: runs " + h.Vendor() + "/" + h.Endpoint(),
		FilterSubject: b.in(h.Vendor(), h.Endpoint()),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       b.options.Lease,
		MaxDeliver:    -1, // the policy decides
		MaxAckPending: -1, // those that rest before their next attempt count as well: any limit would stop all others
	})
	if err != nil {
		return fmt.Errorf("jetstream: the consumer of %s/%s: %w", h.Vendor(), h.Endpoint(), err)
	}
	return nil
}

// troublePause is the first pause after a request that failed. It doubles up to lastRetry.
const troublePause = 200 * time.Millisecond

// pull asks for deliveries, as far as there are places, until ctx ends. It calls done when it begins none any more, and
// returns once none can come, all having been given back.
func (h *handlerRun) pull(ctx context.Context, done func()) {
	begins := true
	defer func() {
		if begins {
			done()
		}
	}()
	b := h.run.box
	for ready, wait := false, troublePause; !ready; {
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
			wait = min(2*wait, lastRetry)
		}
	}
	defer func() { _ = h.puller.sub.Unsubscribe() }()
	for wait := troublePause; ctx.Err() == nil && !h.isClosed(); {
		if err := h.turn(ctx); err == nil {
			wait = troublePause
		} else if ctx.Err() == nil {
			b.report(err)
			pause(ctx, wait)
			wait = min(2*wait, lastRetry)
			if err := h.consumer(ctx); err != nil && ctx.Err() == nil { // it may have been deleted
				b.report(err)
			}
		}
	}
	if h.isClosed() {
		h.returnLate()
		<-ctx.Done()
	}
	begins = false
	done()
	h.returnLate()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// turn has all that is there begun, as far as there are places, or else waits for one message.
func (h *handlerRun) turn(ctx context.Context) error {
	d := h.run.dispatcher
	if !h.more {
		// No place is reserved for what is waited for, so that others have them all.
		_, err := h.take(ctx, 1, h.run.idle())
		return err
	}
	n := d.Reserve(h.Vendor(), h.Endpoint(), takeMost)
	if n == 0 {
		select {
		case <-ctx.Done():
		case <-h.freed:
		}
		return nil
	}
	h.places = n
	got, err := h.take(ctx, n, 0)
	d.Unreserve(h.Vendor(), h.Endpoint(), h.places)
	h.places = 0
	h.more = h.more && got > 0
	return err
}

// take asks for messages and has them begun as they come.
func (h *handlerRun) take(ctx context.Context, n int, wait time.Duration) (got int, err error) {
	p := h.puller
	if err := p.ask(n, wait); err != nil {
		return 0, fmt.Errorf("jetstream: %w", err)
	}
	timer := time.NewTimer(time.Until(p.open))
	defer timer.Stop()
	for got < n {
		select {
		case <-ctx.Done():
			return got, nil
		case <-timer.C: // whatever comes yet is taken then
			return got, errNoAnswer
		case msg := <-p.msgs:
			if isStatus(msg) {
				ends, err := p.answer(msg)
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

var errNoAnswer = errors.New("jetstream: the server does not answer")

// accept has a message begun once there is a place.
func (h *handlerRun) accept(ctx context.Context, msg *nats.Msg) {
	r := h.run
	t, err := r.box.read(msg)
	if err != nil {
		r.box.report(err)
		return
	}
	h.more = t.more
	if h.places > 0 {
		h.places--
		r.begin(ctx, h, t)
		return
	}
	r.hold(t)
	for ctx.Err() == nil && !h.isClosed() {
		if r.dispatcher.Reserve(h.Vendor(), h.Endpoint(), 1) == 1 {
			r.begin(ctx, h, t)
			return
		}
		select {
		case <-ctx.Done():
		case <-h.freed:
		}
	}
	r.giveBack(t)
}

// returnLate gives back what has been asked for and comes now, until the server says that there is no more.
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
			if ends, _ := p.answer(msg); ends {
				p.open = time.Time{}
			}
			continue
		}
		if t, err := h.run.box.read(msg); err == nil {
			h.run.hold(t)
			h.run.giveBack(t)
		}
		if p.left--; p.left <= 0 {
			p.open = time.Time{} // it has all that it asked for
		}
	}
}
