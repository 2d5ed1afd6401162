package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

// A Silence reports that no delivery was accepted for [Options.SilentAfter], or that this is over.
type Silence struct {
	Vendor   string
	Endpoint string

	// Over reports that a delivery was accepted again, by this process or by another one with the same store.
	Over bool

	// Since is when this process last accepted a delivery before the silence. It is zero if it accepted none since it
	// started.
	Since time.Time

	// Refused is how many requests were not authentic since then, or since SetKeys exchanged the keys. If there are any, the
	// sender may be signing with another secret. If zero, nothing arrives.
	Refused int64
}

// A silenceWatch reports when deliveries stop coming. The time of the last accepted delivery is the lease of a key in the
// store, so a restart does not begin the time again, and several processes report only what none of them has accepted.
type silenceWatch struct {
	h     *Handler
	after time.Duration
	key   string
	token idempotency.Token
	made  time.Time

	last     atomic.Int64 // when a delivery was accepted, counted from made; zero if none was
	refused  atomic.Int64
	recorded atomic.Int64 // when the lease was last extended for an accepted delivery
	silent   atomic.Bool

	mu        sync.Mutex
	timer     *time.Timer // nil if SilentAfter is not set
	stopped   bool
	reports   []Silence // in their order, to be made by a goroutine
	reporting bool

	working sync.WaitGroup
}

const (
	// The lease is extended once a recordShare of SilentAfter has passed, to save calls to the store.
	recordShare = 20

	// lookLease is the lease of a look. It is short, so that other processes that look at the same time look again soon. A
	// longer lease is that of an accepted delivery.
	lookLease = time.Second

	// lookAgain is how often a silent process looks whether another one has accepted a delivery.
	lookAgain = time.Minute
)

func (w *silenceWatch) start(h *Handler) {
	w.h, w.after, w.made = h, h.options.SilentAfter, time.Now()
	if w.after == 0 {
		return
	}
	w.key = h.profile.Name + "/" + h.config.Endpoint + "/silence"
	sum := sha256.Sum256([]byte(w.key))
	w.token = idempotency.Token(sum[:len(w.token)]) // the same in all processes, so that each can extend the lease
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(0, w.look)
}

// enter reports whether work may begin. Then Shutdown waits for working.Done.
func (w *silenceWatch) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.working.Add(1)
	}
	return !w.stopped
}

// stop ends the watch, and waits for what is in progress until ctx ends.
func (w *silenceWatch) stop(ctx context.Context) {
	w.mu.Lock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		w.working.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// observe notes the outcome of a request.
func (w *silenceWatch) observe(a *arrival, o *Observation) {
	switch {
	case o.FromInbox || o.Late:
	case o.Outcome == Unauthenticated:
		w.refused.Add(1)
	case o.SignedBy == "" || o.Outcome == Rejected:
	case o.Outcome == Duplicate || o.Reason == ReasonStoredBefore || o.Reason == ReasonOtherContent: // anyone can send a captured delivery again
	default:
		w.accepted(a)
	}
}

func (w *silenceWatch) accepted(a *arrival) {
	now := int64(max(1, a.at.Sub(w.made)))
	before := w.last.Swap(now)
	refused := int64(0)
	if w.refused.Load() > 0 {
		refused = w.refused.Swap(0)
	}
	if w.after == 0 {
		return
	}
	if w.silent.Load() {
		w.end(Silence{Since: w.time(before), Refused: refused})
	}
	recorded := w.recorded.Load()
	if (recorded == 0 || now-recorded >= int64(w.after/recordShare)) && w.recorded.CompareAndSwap(recorded, now) && w.enter() {
		go func() {
			defer w.working.Done()
			if w.record() != nil {
				w.recorded.CompareAndSwap(now, recorded) // the next delivery tries again
			}
		}()
	}
}

// record makes the lease end SilentAfter from now.
func (w *silenceWatch) record() error {
	return w.call(func(ctx context.Context) error {
		if r, ok := w.h.store.(idempotency.Renewer); ok {
			if err := r.Renew(ctx, w.key, w.token, w.after); !errors.Is(err, idempotency.ErrLeaseLost) {
				return err
			}
		} else if err := w.h.store.Release(ctx, w.key, w.token); err != nil {
			return err
		}
		_, err := w.h.store.Claim(ctx, w.key, w.token, w.after)
		return err
	})
}

// call calls the store on another goroutine, because a store may hang or panic.
func (w *silenceWatch) call(f func(context.Context) error) error {
	return deadline.Call(context.Background(), w.h.options.StoreTimeout, f)
}

// look begins the silence if it is due, and sets the timer for the next look.
func (w *silenceWatch) look() {
	if !w.enter() {
		return
	}
	defer w.working.Done()
	last := w.last.Load()
	if last != 0 {
		if left := w.after - time.Since(w.time(last)); left > 0 {
			w.reset(left)
			return
		}
	}
	lease := min(lookLease, w.after/2)
	var claim idempotency.Claim
	err := w.call(func(ctx context.Context) (err error) {
		claim, err = w.h.store.Claim(ctx, w.key, w.token, lease)
		return err
	})
	switch {
	case err != nil:
		w.reset(min(w.after, lookAgain))
	case claim.State != idempotency.Acquired:
		if claim.Remaining > lease { // another process has accepted a delivery, or this one before a restart
			w.end(Silence{Since: w.time(last), Refused: w.refused.Load()})
		}
		w.reset(max(claim.Remaining, time.Millisecond))
	case last == 0 && claim.Attempt == 1 && w.record() == nil: // the store knows of no delivery yet, so the time begins now
		w.reset(w.after)
	default:
		w.begin(last)
		w.reset(min(w.after, lookAgain))
	}
}

// begin begins the silence, unless a delivery was accepted after last.
func (w *silenceWatch) begin(last int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent.Load() || w.stopped {
		return
	}
	w.silent.Store(true) // before the look at last: accepted looks at silent after it has set last
	if w.last.Load() != last {
		w.silent.Store(false)
		return
	}
	w.report(Silence{Since: w.time(last), Refused: w.refused.Load()})
}

func (w *silenceWatch) end(s Silence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent.CompareAndSwap(true, false) {
		s.Over = true
		w.report(s)
		if !w.stopped {
			w.timer.Reset(w.after)
		}
	}
}

func (w *silenceWatch) reset(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer.Reset(d)
	}
}

// report hands a report to a goroutine that makes all of them in their order. A delivery does not wait for it. The caller
// holds mu.
func (w *silenceWatch) report(s Silence) {
	if w.stopped {
		return
	}
	s.Vendor, s.Endpoint = w.h.profile.Name, w.h.config.Endpoint
	w.reports = append(w.reports, s)
	if w.reporting {
		return
	}
	w.reporting = true
	w.working.Go(func() {
		for {
			w.mu.Lock()
			if len(w.reports) == 0 {
				w.reporting = false
				w.mu.Unlock()
				return
			}
			next := w.reports[0]
			w.reports = w.reports[1:]
			w.mu.Unlock()
			w.publish(next)
		}
	})
}

// publish logs the silence and calls Options.OnSilence.
func (w *silenceWatch) publish(s Silence) {
	defer func() { _ = recover() }() // of the logger or OnSilence; it must not end the process
	level, text := slog.LevelError, "webhook: no delivery was accepted for Options.SilentAfter"
	if s.Over {
		level, text = slog.LevelInfo, "webhook: deliveries are accepted again"
	}
	attrs := []slog.Attr{
		slog.String("vendor", s.Vendor), slog.String("endpoint", s.Endpoint),
		slog.String("silent_after", w.after.String()), slog.Int64("refused", s.Refused),
	}
	if !s.Since.IsZero() {
		attrs = append(attrs, slog.Time("last_accepted", s.Since))
	}
	ctx := context.Background()
	w.h.options.Logger.LogAttrs(ctx, level, text, attrs...)
	if w.h.options.OnSilence != nil {
		w.h.options.OnSilence(ctx, s)
	}
}

// time returns the time of a count since the handler was made. Zero is the zero time.
func (w *silenceWatch) time(since int64) time.Time {
	if since == 0 {
		return time.Time{}
	}
	return w.made.Add(time.Duration(since))
}
