package deadline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

var errRunning = fmt.Errorf("the last call has not returned: %w", context.DeadlineExceeded)

// A Single makes one call after the other into code that may hang. Without it, each call that hangs would leave a goroutine.
type Single struct{ running atomic.Bool }

// Call is [Call]. While an earlier call has not returned, it makes none, and returns an error that wraps
// [context.DeadlineExceeded].
func (s *Single) Call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if !s.running.CompareAndSwap(false, true) {
		return errRunning
	}
	return Call(ctx, limit, func(ctx context.Context) error {
		defer s.running.Store(false)
		return f(ctx)
	})
}
