package engine

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/deadline"
)

// Context returns the context of the Run. It ends with the context given to Begin, or by Shutdown.
func (d *Dispatcher) Context() context.Context { return d.ctx }

// startTimer starts the DrainTimeout, which begins when the Run's context ends.
func (d *Dispatcher) startTimer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending == nil {
		d.timer = time.AfterFunc(d.policy.DrainTimeout, d.cut)
	}
}

// shutdown ends the Run's context. The end of ctx replaces the DrainTimeout.
func (d *Dispatcher) shutdown(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending == nil {
		d.ending = ctx
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	context.AfterFunc(ctx, d.cut) // if Shutdown is called several times, the first context to end counts
	d.end()
}

// Grace returns how long a Run may take to return after [Dispatcher.Until] has ended.
func (d *Dispatcher) Grace() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending == nil {
		return deadline.MaxGrace
	}
	return deadline.Grace(d.ending)
}

// Until returns a context that ends when a Run must stop waiting for its callbacks: after [inbox.Policy.DrainTimeout], or
// with the context of [inbox.Inbox.Shutdown].
func (d *Dispatcher) Until() context.Context { return d.until }

// Drain waits for the callbacks that were started, for what runs in the background, and for the calls of
// [inbox.Policy.OnDeadLetter]. If [Dispatcher.Until] ends first, it cancels them. It returns a [*inbox.DrainError] if
// callbacks still do not return. Work calls it; other engines call it once no more callbacks are started.
func (d *Dispatcher) Drain() error {
	d.end()
	defer d.cancel()
	idle := make(chan struct{})
	go func() {
		d.group.Wait()
		d.alerter.wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-d.until.Done():
	}
	d.cancel()
	d.alerter.cut()
	select {
	case <-idle:
		return nil
	case <-time.After(d.Grace()):
	}
	left := &inbox.DrainError{}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.running) == 0 {
		return nil // the callbacks have returned, and only recording their outcomes failed
	}
	for delivery := range d.running {
		left.Left = append(left.Left, nameOf(delivery.Vendor, delivery.Endpoint)+"/"+delivery.ID)
	}
	slices.Sort(left.Left)
	d.drained = left
	d.policy.Logger.Error("inbox: callbacks did not return when they were canceled", slog.Int("left", len(left.Left)))
	return left
}
