package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aihooks/aihooks-go/inbox"
)

var errRemoved = errors.New("inbox: the handler has been removed")

// handler returns the handler of an endpoint, or nil.
func (d *Dispatcher) handler(vendor, endpoint string) inbox.Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handlers[nameOf(vendor, endpoint)]
}

func (d *Dispatcher) isRemoved(vendor, endpoint string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed[nameOf(vendor, endpoint)]
}

// isOpen reports whether there is a handler of that name that has not been shut down.
func (d *Dispatcher) isOpen(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handlers[name] != nil && !d.closed[name]
}

// close marks a handler as shut down, unless it has been replaced.
func (d *Dispatcher) close(h inbox.Handler) {
	if h == nil {
		return
	}
	name := nameOf(h.Vendor(), h.Endpoint())
	d.mu.Lock()
	if d.handlers[name] == h {
		d.closed[name] = true
	}
	d.mu.Unlock()
	signal(d.changed)
}

// Handlers returns the current handlers of the Run, without those that were shut down, in no particular order.
func (d *Dispatcher) Handlers() []inbox.Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	handlers := make([]inbox.Handler, 0, len(d.handlers))
	for name, h := range d.handlers {
		if !d.closed[name] {
			handlers = append(handlers, h)
		}
	}
	return handlers
}

// Changed receives a value after the result of [Dispatcher.Handlers] has changed.
func (d *Dispatcher) Changed() <-chan struct{} { return d.changed }

// change adds the handler, or removes the one of that name if h is nil.
func (d *Dispatcher) change(name string, h inbox.Handler) {
	d.mu.Lock()
	delete(d.closed, name)
	if h != nil {
		d.handlers[name] = d.wrap(h)
		delete(d.removed, name)
	} else if d.handlers[name] != nil {
		delete(d.handlers, name)
		d.removed[name] = true
	}
	d.mu.Unlock()
	signal(d.changed)
}

// Add implements [inbox.Inbox.Add].
func (r *Runs) Add(handlers ...inbox.Handler) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.added == nil {
		r.added = make(map[string]inbox.Handler)
	}
	names := make([]string, len(handlers))
	for i, h := range handlers {
		if h == nil {
			return fmt.Errorf("inbox: handler %d given to Add is nil", i+1)
		}
		names[i] = nameOf(h.Vendor(), h.Endpoint())
		if r.has(names[i]) || slices.Contains(names[:i], names[i]) {
			return fmt.Errorf("inbox: the inbox has a handler for %s already; Remove it first, or give this one another Config.Endpoint", names[i])
		}
	}
	for i, h := range handlers {
		r.added[names[i]] = h
		for d := range r.all {
			d.change(names[i], h)
		}
	}
	return nil
}

// Remove implements [inbox.Inbox.Remove].
func (r *Runs) Remove(handlers ...inbox.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range handlers {
		name := nameOf(h.Vendor(), h.Endpoint())
		delete(r.added, name)
		for d := range r.all {
			d.change(name, nil)
		}
	}
}

// has reports whether a current Run has a handler of that name, or a new Run would have one. The caller holds the lock.
func (r *Runs) has(name string) bool {
	for d := range r.all {
		d.mu.Lock()
		h := d.handlers[name]
		d.mu.Unlock()
		if h != nil {
			return true
		}
	}
	return r.added[name] != nil
}

// handles reports whether any Run of this process has a handler for an endpoint.
func (r *Runs) handles(vendor, endpoint string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has(nameOf(vendor, endpoint))
}

// nameOf returns the name of an endpoint in limits and in the log.
func nameOf(vendor, endpoint string) string { return vendor + "/" + endpoint }
