package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
)

// pausesEvery is how often a Run reads the pauses, and firstPauses how often before it has read them once.
const (
	pausesEvery = 2 * time.Second
	firstPauses = 200 * time.Millisecond
)

// pauses are the pauses that a Run knows. Until it has read them once, no callback begins.
type pauses struct {
	mu    sync.RWMutex
	known bool
	list  []inbox.Pause
}

func (p *pauses) areKnown() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known
}

// include reports whether the deliveries of an endpoint and a type are paused.
func (p *pauses) include(vendor, endpoint, eventType string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.ContainsFunc(p.list, func(one inbox.Pause) bool { return one.Includes(vendor, endpoint, eventType) })
}

// set replaces the pauses, and reports whether that changes anything.
func (p *pauses) set(list []inbox.Pause) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := !p.known || !slices.Equal(p.list, list)
	p.known, p.list = true, list
	return changed
}

// A pausable is a handler that has no callback for what is paused. So deferred deliveries of a paused scope stay deferred,
// and run when the pause ends. Until the pauses are known, it has no callback for anything.
type pausable struct {
	inbox.Handler
	pauses *pauses
}

func (h *pausable) Handles(eventType string) bool {
	return h.pauses.areKnown() && !h.pauses.include(h.Vendor(), h.Endpoint(), eventType) && h.Handler.Handles(eventType)
}

// followPauses reads the pauses until the Run's context ends.
func (d *Dispatcher) followPauses(c *Controls) {
	for d.ctx.Err() == nil {
		every := pausesEvery
		if !d.pauses.areKnown() {
			every = firstPauses
		}
		ctx, cancel := context.WithTimeout(d.ctx, auditTimeout)
		list, err := c.Pauses(ctx)
		cancel()
		switch {
		case err == nil:
			every = pausesEvery
			if d.pauses.set(list) {
				signal(d.freed)
				signal(d.changed)
			}
		case d.ctx.Err() == nil:
			d.runs.Report(fmt.Errorf("inbox: reading the pauses failed: %w", err))
		}
		pause(d.ctx, every)
	}
}
