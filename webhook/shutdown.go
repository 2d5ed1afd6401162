package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

var errShutdown = errors.New("webhook: the handler has been shut down")

// A ShutdownError says what was left when a shutdown ended before the callbacks did.
type ShutdownError struct {
	Left []string // ids of the deliveries whose callbacks did not return
	err  error
}

// Error says how many callbacks were left.
func (e *ShutdownError) Error() string {
	return fmt.Sprintf("webhook: the shutdown ended with %d callbacks still running: %v", len(e.Left), e.err)
}

// Unwrap returns the error of the context that ended the shutdown.
func (e *ShutdownError) Unwrap() error { return e.err }

// Shutdown waits for the callbacks that run. When ctx ends before they do, it cancels them, gives them until a second after
// its deadline to return, and reports with a [*ShutdownError] what was left: those deliveries stay claimed until their
// lease ends, and then the vendor's next attempt runs them.
//
// Give every step of a shutdown the same context: its deadline then is that of the whole. Shut several handlers down at
// once, each on a goroutine: callbacks of one that is called after the deadline have a tenth of a second to return.
//
// From the call on, new deliveries are answered 503; with an inbox they are still stored and answered 200, for as long
// as the listener is open, and a stored delivery whose run is canceled is run by the next process, which does not count as
// an attempt. So shut down in this order: http.Server.Shutdown, Handler.Shutdown, then the inbox's Shutdown.
func (h *Handler) Shutdown(ctx context.Context) error {
	idle := h.drain.drain()
	select {
	case <-idle:
		if h.guard.Wait(ctx) == nil {
			return nil
		}
	case <-ctx.Done():
		h.drain.cut()
	}
	// The store has the second as well: what was cancelled has to be released, and ctx may have ended before the call.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Grace(ctx))
	defer cancel()
	select {
	case <-idle:
		return h.guard.Wait(grace)
	case <-grace.Done():
	}
	left := &ShutdownError{err: ctx.Err()}
	for _, r := range h.drain.runs() {
		left.Left = append(left.Left, r.delivery.ID)
	}
	return left
}

// life counts what is under way.
type drainTracker struct {
	mu       sync.Mutex
	draining bool
	inside   int // calls of Process that may start a callback
	running  map[*run]struct{}
	ended    bool          // the patience of Shutdown: what begins from now on is cancelled from its start
	idle     chan struct{} // closed once draining and empty
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
	if l.ended {
		r.cancel()
	}
}

// cut cancels all callbacks that run, and those that deliveries still on their way, or waiting for a twin, begin later.
func (l *drainTracker) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
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

// isCut reports whether callbacks have been canceled.
func (l *drainTracker) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
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
