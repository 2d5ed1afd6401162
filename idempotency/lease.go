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

	renewal *renewal // nil without renewals

	failedOpen bool // the store does not know the lease

	settled chan struct{} // not nil once a completion is retried
	err     error         // of the last retry; valid once settled is closed
}

// Attempt returns how often the work has been acquired, including this time. It is the highest count of its keys.
func (l *Lease) Attempt() int { return l.attempt }

// FailedOpen reports whether the work runs although the store is unavailable. See [ClaimRequest.FailOpen]. Complete and
// Release then have an effect in this process only.
func (l *Lease) FailedOpen() bool { return l.failedOpen }

// Until returns when the lease ends, by this process's clock. The lease never ends earlier in the store. Each renewal moves
// the time.
func (l *Lease) Until() time.Time {
	if l.renewal != nil {
		return l.renewal.end()
	}
	return l.until
}

// Context returns the context for the work. It carries the claims for [ClaimsFromContext].
//
// If the lease is renewed (see [ClaimRequest.RenewUntil]), the context ends when the lease is lost or reaches its end, with
// the cause [ErrLeaseLost]. Another process may then run the work. The context also ends with Complete and Release.
func (l *Lease) Context(ctx context.Context) context.Context {
	if l.renewal != nil {
		ctx = l.renewal.context(ctx)
	}
	return context.WithValue(ctx, claimsKey{}, l)
}

// Claims describes the keys that the running work holds.
type Claims struct {
	Store Store
	Keys  []string
	Token Token
}

type claimsKey struct{}

// ClaimsFromContext returns the claims of the work that runs under ctx. A store uses it to complete keys inside the
// caller's own transaction. It returns false if ctx has no claims, or if the work failed open.
func ClaimsFromContext(ctx context.Context) (Claims, bool) {
	l, ok := ctx.Value(claimsKey{}).(*Lease)
	if !ok || l.failedOpen {
		return Claims{}, false
	}
	return Claims{Store: l.guard.store, Keys: slices.Clone(l.keys), Token: l.token}, true
}

// Complete marks all keys as completed. [ErrLeaseLost] means that another caller has claimed the work since. After any
// other error, Complete retries in the background until the lease ends, and for at least the guard's Margin. In this
// process the work then counts as completed at once.
func (l *Lease) Complete(ctx context.Context) error {
	if l.renewal != nil {
		l.renewal.stop()
		defer l.renewal.endContexts()
	}
	err := l.complete(ctx, l.keys)
	if err == nil || errors.Is(err, ErrLeaseLost) {
		l.guard.leave(l.flight, err == nil)
		return err
	}
	l.settled = make(chan struct{})
	l.guard.decide(l.flight, true)
	l.guard.background.Go(func() {
		l.err = l.retry(ctx, err, func(ctx context.Context) error { return l.complete(ctx, l.keys) })
		l.guard.leave(l.flight, true)
		close(l.settled)
	})
	return err
}

// Release frees all keys, so that the work can be tried again. After an error, Release retries in the background for as
// long as Complete does.
func (l *Lease) Release(ctx context.Context) error {
	if l.renewal != nil {
		l.renewal.stop()
		defer l.renewal.endContexts()
	}
	release := func(ctx context.Context) error { return l.release(ctx, l.keys) }
	err := release(ctx)
	l.guard.leave(l.flight, false)
	if err != nil {
		l.later(ctx, err, release)
	}
	return err
}

// later retries try in the background, after it failed with err.
func (l *Lease) later(ctx context.Context, err error, try func(context.Context) error) {
	l.guard.background.Go(func() { _ = l.retry(ctx, err, try) })
}

// complete tries to complete every key, even if another key fails. It returns [ErrLeaseLost] only if no key is worth a
// retry.
func (l *Lease) complete(ctx context.Context, keys []string) error {
	if l.failedOpen {
		return nil
	}
	var failed error
	for _, key := range keys {
		err := l.guard.call(ctx, "complete", func(ctx context.Context) error {
			return l.guard.store.Complete(ctx, key, l.token)
		})
		if err != nil && (failed == nil || errors.Is(failed, ErrLeaseLost)) {
			failed = err
		}
	}
	return failed
}

// release releases the last key first, and an earlier key only after all later keys are free. A caller that finds the
// first key free then knows that the later keys are not held by the same work.
func (l *Lease) release(ctx context.Context, keys []string) error {
	if l.failedOpen {
		return nil
	}
	for _, key := range slices.Backward(keys) {
		err := l.guard.call(ctx, "release", func(ctx context.Context) error {
			return l.guard.store.Release(ctx, key, l.token)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The pauses between retries grow from firstRetry to lastRetry.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// retry retries try, after it failed with err, and returns the last error. It stops when try succeeds or the lease is
// lost. It also stops at the end of the lease, but not before the guard's margin has passed: a key can still be completed
// after its lease, if no other caller has claimed it.
func (l *Lease) retry(ctx context.Context, err error, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(time.Until(l.Until()), l.guard.margin))
	defer cancel()
	pause := time.NewTimer(firstRetry)
	defer pause.Stop()
	for d := firstRetry; ; {
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
		err = l.guard.inTurn(func() error { return try(ctx) })
		if err == nil || errors.Is(err, ErrLeaseLost) {
			return err
		}
		d = min(2*d, lastRetry)
		pause.Reset(d)
	}
}
