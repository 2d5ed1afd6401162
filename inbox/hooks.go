package inbox

import (
	"errors"
	"fmt"
	"slices"
)

var errRemoved = errors.New("inbox: the handler has been removed")

// hook returns the handler of an endpoint, or nil.
func (d *Dispatcher) hook(vendor, endpoint string) Hook {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hooks[nameOf(vendor, endpoint)]
}

func (d *Dispatcher) isRemoved(vendor, endpoint string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed[nameOf(vendor, endpoint)]
}

// Hooks returns the handlers that the Run has now, in no particular order.
func (d *Dispatcher) Hooks() []Hook {
	d.mu.Lock()
	defer d.mu.Unlock()
	hooks := make([]Hook, 0, len(d.hooks))
	for _, h := range d.hooks {
		hooks = append(hooks, h)
	}
	return hooks
}

// Changed receives a value after [Dispatcher.Hooks] has changed.
func (d *Dispatcher) Changed() <-chan struct{} { return d.changed }

// change adds a handler, or removes it.
func (d *Dispatcher) change(name string, h Hook) {
	d.mu.Lock()
	if h != nil {
		d.hooks[name] = h
		delete(d.removed, name)
	} else if d.hooks[name] != nil {
		delete(d.hooks, name)
		d.removed[name] = true
	}
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Add does what [Inbox.Add] promises.
func (r *Runs) Add(hooks ...Hook) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.added == nil {
		r.added = make(map[string]Hook)
	}
	names := make([]string, len(hooks))
	for i, h := range hooks {
		if h == nil {
			return fmt.Errorf("inbox: handler %d given to Add is nil", i+1)
		}
		names[i] = nameOf(h.Vendor(), h.Endpoint())
		if r.has(names[i]) || slices.Contains(names[:i], names[i]) {
			return fmt.Errorf("inbox: the inbox has a handler for %s already; Remove it first, or give this one another Config.Endpoint", names[i])
		}
	}
	for i, h := range hooks {
		r.added[names[i]] = h
		for d := range r.all {
			d.change(names[i], h)
		}
	}
	return nil
}

// Remove does what [Inbox.Remove] promises.
func (r *Runs) Remove(hooks ...Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hooks {
		name := nameOf(h.Vendor(), h.Endpoint())
		delete(r.added, name)
		for d := range r.all {
			d.change(name, nil)
		}
	}
}

// has reports whether a Run has a handler of that name, or would have. The caller holds the lock.
func (r *Runs) has(name string) bool {
	for d := range r.all {
		d.mu.Lock()
		h := d.hooks[name]
		d.mu.Unlock()
		if h != nil {
			return true
		}
	}
	return r.added[name] != nil
}

// handles reports whether any Run of this process has a handler for an endpoint.
func (r *Runs) handles(vendor, endpoint string) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has(nameOf(vendor, endpoint))
}
