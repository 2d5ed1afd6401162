package idempotency

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A Lease is a set of keys that this process has claimed.
type Lease struct {
	guard   *Guard
	flight  *flight
	keys    []string
	token   Token
	attempt int
	until   time.Time

	failedOpen bool // the store knows nothing of the hold

	settled chan struct{} // made when a completion has to be retried
	err     error         // of the last retry; to be read once settled is closed
}

// Attempt counts how often the work has been acquired, this time included: the highest count of its keys.
func (h *Lease) Attempt() int { return h.attempt }

// FailedOpen reports whether the store could not be asked and the work runs all the same: see [Work.FailOpen]. Completing
// and releasing then tell nobody but this process.
func (h *Lease) FailedOpen() bool { return h.failedOpen }

// Until is when the lease ends, by this process's clock and never later than by the store's.
func (h *Lease) Until() time.Time { return h.until }

// Context returns a context that carries the claims, for [ClaimsFromContext].
func (h *Lease) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, claimsKey{}, h)
}

// Claims are the keys that the running work holds, where, and under which token.
type Claims struct {
	Store Store
	Keys  []string
	Token Token
}

type claimsKey struct{}

// ClaimsFromContext returns the claims of the work that runs under ctx. Stores that can complete inside the caller's
// own transaction take them from here.
func ClaimsFromContext(ctx context.Context) (Claims, bool) {
	h, ok := ctx.Value(claimsKey{}).(*Lease)
	if !ok || h.failedOpen {
		return Claims{}, false
	}
	return Claims{Store: h.guard.store, Keys: slices.Clone(h.keys), Token: h.token}, true
}

// Complete marks all keys as done. [ErrLeaseLost] means that somebody else has run the work meanwhile. After any other
// error the completion is tried again in the background until the lease ends, and for the guard's Margin in any case;
// in this process the work counts as completed from now on.
func (h *Lease) Complete(ctx context.Context) error {
	err := h.complete(ctx, h.keys)
	if err == nil || errors.Is(err, ErrLeaseLost) {
		h.guard.leave(h.flight, err == nil)
		return err
	}
	h.settled = make(chan struct{})
	h.guard.decide(h.flight, true)
	h.guard.background.Go(func() {
		h.err = h.retry(ctx, err, func(ctx context.Context) error { return h.complete(ctx, h.keys) })
		h.guard.leave(h.flight, true)
		close(h.settled)
	})
	return err
}

// Release gives all keys back, so that the work can be tried again. After an error the release is tried again in the
// background, for as long as a completion would be.
func (h *Lease) Release(ctx context.Context) error {
	release := func(ctx context.Context) error { return h.release(ctx, h.keys) }
	err := release(ctx)
	h.guard.leave(h.flight, false)
	if err != nil {
		h.later(ctx, err, release)
	}
	return err
}

// later repeats try, which failed with err, in the background.
func (h *Lease) later(ctx context.Context, err error, try func(context.Context) error) {
	h.guard.background.Go(func() { _ = h.retry(ctx, err, try) })
}

// complete completes every key that can be, whatever becomes of the others. It returns [ErrLeaseLost] only if trying
// again is of no use to any of them.
func (h *Lease) complete(ctx context.Context, keys []string) error {
	if h.failedOpen {
		return nil
	}
	var failed error
	for _, key := range keys {
		err := h.guard.call(ctx, func(ctx context.Context) error {
			return h.guard.store.Complete(ctx, key, h.token)
		})
		if err != nil && (failed == nil || errors.Is(failed, ErrLeaseLost)) {
			failed = err
		}
	}
	return failed
}

// release releases the last key first, and an earlier one only once those after it are free: whoever finds the first
// one free must not take the others for somebody else's.
func (h *Lease) release(ctx context.Context, keys []string) error {
	if h.failedOpen {
		return nil
	}
	for _, key := range slices.Backward(keys) {
		err := h.guard.call(ctx, func(ctx context.Context) error {
			return h.guard.store.Release(ctx, key, h.token)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The pauses between two tries of a completion or a release grow from the first to the second.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// retry repeats try, which failed with err, until it succeeds, the lease is lost or ended, and returns the last error.
// It has the guard's margin for it in any case: what outlasted its lease can still be completed if nobody took it since.
func (h *Lease) retry(ctx context.Context, err error, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(time.Until(h.until), h.guard.margin))
	defer cancel()
	pause := time.NewTimer(firstRetry)
	defer pause.Stop()
	for d := firstRetry; ; {
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
		err = h.guard.inTurn(func() error { return try(ctx) })
		if err == nil || errors.Is(err, ErrLeaseLost) {
			return err
		}
		d = min(2*d, lastRetry)
		pause.Reset(d)
	}
}
