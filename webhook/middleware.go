package webhook

import (
	"context"
	"errors"
	"sync/atomic"
)

// A Middleware runs around the callback of a delivery. It gets the delivery and its typed event, and calls next to run the
// rest: the next Middleware, the function registered with Before, and the callback. It may give next a context made from ctx,
// with a transaction or a trace in it. It returns next's error, or another error, which has the effect that it has from a
// callback. If it returns an error without calling next, the callback does not run. If it returns nil without calling next,
// the delivery counts as handled.
//
// The event is nil if the type has no callback, and for OnUnhandled. It is also nil if the body does not fit the type; then
// next returns the reason.
//
// A Middleware must call next at most once, and before it returns. Otherwise next returns an error and runs nothing. A panic
// has the effect of a panic of the callback.
type Middleware func(ctx context.Context, d *Delivery, event AnyEvent, next func(context.Context) error) error

var errNext = errors.New("webhook: a Middleware must call next at most once")

// through runs the middleware, and then the callback.
func (r *run) through(ctx context.Context, all []Middleware) error {
	if len(all) == 0 {
		return r.callback(ctx)
	}
	var called atomic.Bool
	return all[0](ctx, r.given, r.event.value, func(ctx context.Context) error {
		switch {
		case called.Swap(true):
			return errNext
		case r.callCtx.Err() != nil: // the keys may belong to another run by now
			return context.Cause(r.callCtx)
		default:
			return r.through(ctx, all[1:])
		}
	})
}
