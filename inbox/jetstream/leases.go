package jetstreaminbox

import (
	"context"
	"fmt"
	"time"
)

// renew renews the leases of this Run's deliveries. A lease that has ended by the time that the server confirms stays ended:
// another process may have the delivery.
func (r *run) renew(ctx context.Context) error {
	began := time.Now()
	leases := r.renewable()
	if len(leases) == 0 {
		return nil
	}
	for _, t := range leases {
		_ = r.box.nc.Publish(t.reply, ackProgress) // the flush reports an error
	}
	ctx, cancel := context.WithTimeout(ctx, r.box.options.Lease/3)
	defer cancel()
	if err := r.box.nc.FlushWithContext(ctx); err != nil {
		return nil // the next acknowledgement reports the error
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range leases {
		if r.holds(t) {
			t.renewed = began
		}
	}
	return nil
}

func (r *run) renewable() []*fetched {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*fetched
	for t := range r.leases {
		if !t.ends && r.holds(t) {
			list = append(list, t)
		}
	}
	return list
}

// letEnd stops the renewal of a lease.
func (r *run) letEnd(t *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.ends = true
}

// current returns the leases with their ends.
func (r *run) current() []lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]lease, 0, len(r.leases))
	for t := range r.leases {
		list = append(list, lease{t.position, t.id(), t.delivery.Vendor + "/" + t.delivery.Endpoint, t.renewed.Add(r.box.options.Lease)})
	}
	return list
}

func (r *run) addLease(t *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.renewed = time.Now()
	r.leases[t] = struct{}{}
}

func (r *run) dropLease(t *fetched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, t)
}

// isLeased reports whether the lease still holds, so that no other process can have the delivery.
func (r *run) isLeased(t *fetched) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds(t)
}

// holds is isLeased for callers that hold the lock.
func (r *run) holds(t *fetched) bool { return time.Since(t.renewed) < r.box.options.Lease }

// checkLease returns an error if the lease has ended.
func (t *fetched) checkLease() error {
	if t.run.isLeased(t) {
		return nil
	}
	return fmt.Errorf("%w: entry %s", errLeaseEnded, t.id())
}
