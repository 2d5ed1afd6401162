package idempotency

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrCannotRenew is returned by [Guard.Acquire] if the work needs renewals and the store is not a [Renewer].
var ErrCannotRenew = errors.New("idempotency: the Store must be a Renewer for work that may outlast its lease")

// renewPause is the longest pause before a failed renewal is tried again.
const renewPause = 2 * time.Second

// A renewal extends a lease while its work runs. It has a goroutine only while it calls the store.
type renewal struct {
	lease  *Lease
	ctx    context.Context // of the calls to the store
	period time.Duration   // how long each renewal lasts
	last   time.Time       // no renewal lasts longer

	mu      sync.Mutex
	until   time.Time   // when the lease ends
	timer   *time.Timer // calls tick
	over    bool        // the work has ended
	cancels []context.CancelCauseFunc
	cause   error // of the end of the work's contexts, or nil
}

// renewUntil starts to renew the lease.
func (l *Lease) renewUntil(ctx context.Context, w *ClaimRequest) {
	r := &renewal{lease: l, ctx: context.WithoutCancel(ctx), period: w.Lease, last: w.RenewUntil, until: l.until}
	l.renewal = r
	l.guard.background.Add(1)
	r.mu.Lock() // tick must not run before timer is set
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(r.pause(), r.tick)
}

// pause returns the time until the next renewal, or until the end of the lease if there are no more. A renewal is due
// when a third of the lease has passed.
func (r *renewal) pause() time.Duration {
	left := time.Until(r.until)
	if r.until.Before(r.last) {
		left -= r.period / 3 * 2 // that much is left when a third has passed
	}
	return left
}

// tick renews the lease. It ends the work's contexts if the lease has ended or is lost. It sets the timer otherwise.
func (r *renewal) tick() {
	until, err := r.renew()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
	case err == nil:
		r.until = until
		r.timer.Reset(r.pause())
		return
	case errors.Is(err, ErrLeaseLost) || !time.Now().Before(r.until):
		r.cancel(ErrLeaseLost)
	default:
		r.timer.Reset(min(r.period/20, renewPause, time.Until(r.until)))
		return
	}
	r.lease.guard.background.Done()
}

// renew renews the keys in the order of their claims, so that an earlier lease outlasts the later ones at any time. It
// returns when the renewed lease ends. It does not wait for the store past the end of the current lease.
func (r *renewal) renew() (time.Time, error) {
	l, g, end := r.lease, r.lease.guard, r.end()
	until := earlier(time.Now().Add(r.period), r.last) // before the calls, as in Acquire
	for i, key := range l.keys {
		left := time.Until(end)
		if left <= 0 {
			return end, ErrLeaseLost
		}
		err := g.callWithin(r.ctx, min(g.timeout, left), "renew", func(ctx context.Context) error {
			return g.renewer.Renew(ctx, key, l.token, g.leaseOf(until, len(l.keys)-1-i))
		})
		if err != nil {
			return end, err
		}
	}
	return until, nil
}

// end returns when the lease ends.
func (r *renewal) end() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until
}

// stop stops renewing, because the work has ended.
func (r *renewal) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.timer.Stop() { // otherwise tick runs or has ended, and calls Done
		r.lease.guard.background.Done()
	}
}

// endContexts ends the work's contexts, after the work has ended.
func (r *renewal) endContexts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel(context.Canceled)
}

// context returns a context that ends when the lease does.
func (r *renewal) context(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels = append(r.cancels, cancel)
	if r.cause != nil {
		r.cancel(r.cause)
	}
	return ctx
}

func (r *renewal) cancel(cause error) {
	for _, cancel := range r.cancels {
		cancel(cause)
	}
	r.cancels, r.cause = nil, cause
}
