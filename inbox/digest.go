package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// DefaultDigestEvery is the default of [DigestOptions.Every].
const DefaultDigestEvery = 5 * time.Minute

const (
	gatherTime  = time.Second      // from the first dead letter to its alert, so that a burst is one alert
	sendTimeout = 30 * time.Second // of one call of send
)

// A Digest combines dead letters into a few alerts. When a dependency fails, thousands of deliveries can become dead letters
// at once, and one alert for each would be useless. Set its Add as [Policy.OnDeadLetter].
//
// The first dead letter after a quiet time is sent after a second, together with those that arrive in that second. The next
// alert follows at least [DigestOptions.Every] later, with all dead letters that arrived meanwhile. A service with several
// processes has a Digest in each of them. Each sends its alerts.
//
// An alert that could not be sent is logged at Error, with its text, and becomes part of the next one. So before Close, the
// log has at most one such line in each Every. If the process crashes, the alerts that were not sent yet are lost. The dead
// letters are not lost: they are stored, and the engine has logged an Error line for each of them.
//
// All methods are safe for concurrent use.
type Digest struct {
	send   func(context.Context, Alert) error
	every  time.Duration
	logger *slog.Logger
	call   deadline.Single
	cancel context.CancelCauseFunc // ends the call of send that runs, and prevents the next

	arrived chan struct{} // has a value while there are pending dead letters that run has not noticed
	closing chan struct{}
	done    chan struct{}
	err     error // of the last alert; may be read when done is closed

	mu         sync.Mutex
	pending    batch
	closed     bool
	late       int // dead letters after Close that are not logged yet
	lateLogged time.Time
}

// DigestOptions configures a [Digest]. The zero value of each field means its default.
type DigestOptions struct {
	// Every is the shortest time between two alerts. It must be at least a second. Defaults to [DefaultDigestEvery].
	Every time.Duration

	// Logger gets a line for each alert that could not be sent, and for dead letters after Close. Defaults to slog.Default().
	Logger *slog.Logger
}

// NewDigest returns a digest that sends its alerts by calling send. It makes one call at a time, on a separate goroutine. The
// context of a call ends after 30 s. Then the alert counts as not sent, even if it arrives later. So its dead letters can be in
// two alerts. A panic of send counts as an error. Errors of send are logged, so they must not contain secrets, such as the
// URL of a Slack webhook.
//
// Call Close at shutdown. The options may be nil.
func NewDigest(send func(ctx context.Context, a Alert) error, o *DigestOptions) (*Digest, error) {
	if o == nil {
		o = new(DigestOptions)
	}
	every := cmp.Or(o.Every, DefaultDigestEvery)
	if send == nil {
		return nil, errors.New("inbox: NewDigest: send must not be nil")
	}
	if every < gatherTime {
		return nil, fmt.Errorf("inbox: DigestOptions.Every (%v) must be at least %v", every, gatherTime)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	d := &Digest{
		send: send, every: every, logger: cmp.Or(o.Logger, slog.Default()), cancel: cancel,
		arrived: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go d.run(ctx)
	return d, nil
}

// Add adds a dead letter to the next alert. It returns without waiting, and does not use its context. After Close, it only
// logs at Error how many dead letters came too late, at most once in each [DigestOptions.Every].
func (d *Digest) Add(_ context.Context, e Entry) {
	if late := d.add(groupOf(e)); late > 0 {
		d.logger.Error("inbox: dead letters after Digest.Close are in no alert; call Inbox.Shutdown before Digest.Close", "dead_letters", late)
	}
}

// add returns how many dead letters after Close must be logged now.
func (d *Digest) add(g group) (late int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.pending.add(g)
		d.signal()
		return 0
	}
	d.late++
	if time.Since(d.lateLogged) < d.every {
		return 0
	}
	late, d.late, d.lateLogged = d.late, 0, time.Now()
	return late
}

func (d *Digest) signal() {
	select {
	case d.arrived <- struct{}{}:
	default:
	}
}

// Close waits for the alert that is being sent, and then sends what is left at once. Call it after [Inbox.Shutdown], which
// waits for the calls of [Policy.OnDeadLetter].
//
// When ctx ends, Close cancels the call of send and returns the context's cause. Otherwise it returns the error of the last
// alert. In both cases the log has the text of the alert that was not sent. Further calls of Close return the same.
func (d *Digest) Close(ctx context.Context) error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.closing)
	}
	d.mu.Unlock()
	defer context.AfterFunc(ctx, func() { d.cancel(context.Cause(ctx)) })()
	<-d.done
	return d.err
}

// run sends the alerts until Close is called, and then the last one.
func (d *Digest) run(ctx context.Context) {
	defer close(d.done)
	for await(d, d.arrived) && await(d, time.After(gatherTime)) {
		_ = d.flush(ctx) // is logged, and part of the next alert
		await(d, time.After(d.every-gatherTime))
	}
	if err := d.flush(ctx); err != nil {
		d.err = fmt.Errorf("inbox: the last alert of the digest was not sent: %w", err)
	}
}

// await waits for an event and reports whether it occurred before Close was called.
func await[T any](d *Digest, event <-chan T) bool {
	select {
	case <-event:
		return true
	case <-d.closing:
		return false
	}
}

// flush sends the pending dead letters. If that fails, they are pending again.
func (d *Digest) flush(ctx context.Context) error {
	b := d.take()
	if len(b.groups) == 0 {
		return nil
	}
	a := b.alert()
	text := a.String() // before send can change the alert
	err := context.Cause(ctx)
	if err == nil {
		err = d.call.Call(ctx, sendTimeout, func(ctx context.Context) error { return d.send(ctx, a) })
	}
	if err == nil {
		return nil
	}
	err = cmp.Or(context.Cause(ctx), err)
	d.logger.Error("inbox: an alert about dead letters was not sent; until Digest.Close, the next one includes it",
		"error", err, "dead_letters", a.Count, "alert", text)
	d.mu.Lock()
	defer d.mu.Unlock()
	b.merge(d.pending)
	d.pending = b
	d.signal()
	return err
}

func (d *Digest) take() batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.pending
	d.pending = batch{}
	select {
	case <-d.arrived: // was about these; otherwise the next dead letter would wait for an alert that is empty
	default:
	}
	return b
}
