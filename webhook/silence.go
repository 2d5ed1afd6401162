package webhook

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

// A Silence reports that no delivery was accepted for [Options.SilentAfter], or that this is over.
type Silence struct {
	Vendor   string
	Endpoint string

	// Over reports that a delivery was accepted again.
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

	last     atomic.Int64 // when a delivery was accepted, counted from made; zero if none was
	refused  atomic.Int64
	recorded atomic.Int64 // when the key was last claimed for an accepted delivery
	silent   atomic.Bool

	made time.Time

	mu    sync.Mutex
	timer *time.Timer // nil if SilentAfter is not set, and after stop
}

// The key is claimed again once a recordShare of SilentAfter has passed, to save calls to the store.
const recordShare = 20

func (w *silenceWatch) start(h *Handler) {
	w.h, w.after, w.made = h, h.options.SilentAfter, time.Now()
	if w.after == 0 {
		return
	}
	w.key = h.profile.Name + "/" + h.config.Endpoint + "/silence"
	sum := sha256.Sum256([]byte(w.key))
	w.token = idempotency.Token(sum[:len(w.token)]) // the same in all processes, so that each can release the key
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(0, func() { w.look(true) })
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
	refused := w.refused.Load()
	if refused > 0 {
		w.refused.Add(-refused)
	}
	if w.after == 0 {
		return
	}
	if w.silent.Load() && w.silent.CompareAndSwap(true, false) {
		w.reset(w.after)
		w.report(a.detached, Silence{Over: true, Since: w.time(before), Refused: refused})
	}
	recorded := w.recorded.Load()
	if (recorded == 0 || now-recorded >= int64(w.after/recordShare)) && w.recorded.CompareAndSwap(recorded, now) {
		go w.record()
	}
}

// record makes the key's lease end SilentAfter from now. After an error, a later delivery tries again.
func (w *silenceWatch) record() {
	if w.release() == nil {
		_, _ = w.claim()
	}
}

func (w *silenceWatch) claim() (c idempotency.Claim, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.h.options.StoreTimeout)
	defer cancel()
	defer caught(&err)
	return w.h.store.Claim(ctx, w.key, w.token, w.after)
}

func (w *silenceWatch) release() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.h.options.StoreTimeout)
	defer cancel()
	defer caught(&err)
	return w.h.store.Release(ctx, w.key, w.token)
}

// look begins the silence if it is due. Otherwise it sets the timer for the next look.
func (w *silenceWatch) look(first bool) {
	last := w.last.Load()
	if last != 0 {
		if left := w.after - time.Since(w.time(last)); left > 0 {
			w.reset(left)
			return
		}
	}
	claim, err := w.claim()
	switch {
	case err != nil:
		w.reset(min(w.after, time.Minute))
	case claim.State == idempotency.InFlight: // another process has accepted a delivery, or this one before a restart
		w.reset(max(claim.Remaining, time.Millisecond))
	case first && claim.Attempt == 1: // the store knows of no delivery yet
		w.reset(w.after)
	default:
		_ = w.release() // otherwise another process would wait for this lease to end
		w.begin(last)
	}
}

// begin begins the silence, unless a delivery was accepted after last.
func (w *silenceWatch) begin(last int64) {
	w.silent.Store(true)
	if w.last.Load() != last {
		if w.silent.CompareAndSwap(true, false) {
			w.reset(w.after)
		}
		return
	}
	w.report(context.Background(), Silence{Since: w.time(last), Refused: w.refused.Load()})
}

func (w *silenceWatch) reset(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Reset(d)
	}
}

func (w *silenceWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// report logs the silence and calls Options.OnSilence.
func (w *silenceWatch) report(ctx context.Context, s Silence) {
	s.Vendor, s.Endpoint = w.h.profile.Name, w.h.config.Endpoint
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
