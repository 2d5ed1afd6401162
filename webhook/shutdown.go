package webhook

import (
	"context"
	"fmt"
	"sync"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// A ShutdownError lists the callbacks that were still running when a shutdown ended.
type ShutdownError struct {
	Left []string // ids of the deliveries whose callbacks did not return
	err  error
}

// Error returns a text with the number of callbacks that were still running.
func (e *ShutdownError) Error() string {
	return fmt.Sprintf("webhook: the shutdown ended with %d callbacks still running: %v", len(e.Left), e.err)
}

// Unwrap returns the error of the context that ended the shutdown.
func (e *ShutdownError) Unwrap() error { return e.err }

// Shutdown waits for running callbacks. If ctx ends first, it cancels them and waits until one second after the deadline. It
// then returns a [*ShutdownError] that lists the callbacks still running. Their keys stay claimed until the lease ends, and
// then the vendor's next attempt runs the delivery.
//
// Without an inbox, new deliveries get 503 once Shutdown has been called. With an inbox they are still stored and get 200,
// as long as the listener is open. A stored delivery whose run is canceled runs in the next process, and the canceled run
// does not count as an attempt. So shut down in this order: http.Server.Shutdown, Handler.Shutdown, the inbox's Shutdown.
//
// Give all three the same context, so that its deadline bounds the whole shutdown. Shut down several handlers
// concurrently. If Shutdown is called after the deadline, callbacks have only 100 ms to return.
func (h *Handler) Shutdown(ctx context.Context) error {
	idle := h.drain.drain()
	defer h.silence.stop(ctx)
	select {
	case <-idle:
		if h.guard.Wait(ctx) == nil {
			return nil
		}
	case <-ctx.Done():
		h.drain.cancel()
	}
	// The store gets the same second, because canceled runs must release their keys and ctx may have ended already.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Grace(ctx))
	defer cancel()
	select {
	case <-idle:
		return h.guard.Wait(grace)
	case <-grace.Done():
	}
	left := &ShutdownError{err: ctx.Err()}
	for _, r := range h.drain.runs() {
		left.Left = append(left.Left, r.ID)
	}
	return left
}

// A drainTracker counts requests and runs, and reports when all have ended.
type drainTracker struct {
	mu       sync.Mutex
	draining bool
	inside   int // calls of Process that may start a callback
	running  map[*run]struct{}
	canceled bool          // runs that begin later are canceled at once
	idle     chan struct{} // closed once draining and nothing runs
}

func (l *drainTracker) init() {
	l.running = make(map[*run]struct{})
	l.idle = make(chan struct{})
}

func (l *drainTracker) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return false
	}
	l.inside++
	return true
}

func (l *drainTracker) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
	l.closeIfIdle()
}

func (l *drainTracker) begin(r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[r] = struct{}{}
	if l.canceled {
		r.cancel()
	}
}

// cancel cancels all running callbacks. It also cancels those that begin later, for requests that are still being processed
// or that wait for a duplicate.
func (l *drainTracker) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.canceled = true
	for r := range l.running {
		r.cancel()
	}
}

func (l *drainTracker) end(r *run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, r)
	l.closeIfIdle()
}

func (l *drainTracker) drain() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.closeIfIdle()
	return l.idle
}

func (l *drainTracker) closeIfIdle() {
	if !l.draining || l.inside > 0 || len(l.running) > 0 {
		return
	}
	select {
	case <-l.idle:
	default:
		close(l.idle)
	}
}

// isCanceled reports whether cancel was called.
func (l *drainTracker) isCanceled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.canceled
}

func (l *drainTracker) runs() []*run {
	l.mu.Lock()
	defer l.mu.Unlock()
	runs := make([]*run, 0, len(l.running))
	for r := range l.running {
		runs = append(runs, r)
	}
	return runs
}
