package webhook

import (
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// lastAttempt reports whether this may be the vendor's last attempt, and whether our own count says so. The age of the
// signed time also covers attempts that we did not see, but it is only an estimate.
func (r *run) lastAttempt() (last, counted bool) {
	profile := &r.h.profile
	aged := profile.GiveUpAfter > 0 && !r.sentAt.IsZero() && r.at.Sub(r.sentAt) > profile.GiveUpAfter
	counted = profile.Attempts > 0 && r.attempts >= profile.Attempts
	if profile.GiveUpAfter > 0 && r.namedByContent() {
		counted = counted && aged // a person or a proxy sent copies: the vendor's attempts take longer
	}
	return counted || aged, counted
}

// namedByContent reports whether the first key is a digest of the signed bytes. Such bytes, and so the signed time, are the
// same on every attempt.
func (d *Delivery) namedByContent() bool {
	return len(d.Keys) > 0 && strings.HasPrefix(d.Keys[0], d.keyPrefix()+vendors.ContentPrefix)
}

// countLater counts the vendor's attempts before a run that is not the first. It counts before the callback, because what
// matters is the time of the arrival: the callback may take longer than the time in which no other attempt counts. The first
// run needs no call to the store before it: it is counted after it has failed.
func (h *Handler) countLater(d *received, lease *idempotency.Lease) int {
	if h.profile.Attempts > 1 && d.Attempt > 1 {
		return h.countAttempt(d, lease)
	}
	return d.Attempt
}

// countFirst counts the first attempt, which has failed.
func (r *run) countFirst() {
	if r.Attempt == 1 && r.h.profile.Attempts > 1 {
		r.h.countAttempt(r.received, r.lease)
	}
}

// countAttempt counts this attempt, unless it came too soon after the last counted one to be the vendor's. It returns the
// number of attempts, zero for an attempt that came too soon, and the number of runs if the store is unavailable.
//
// Each key of the delivery has a second key for this count, because the store counts runs under the first. The second key
// is claimed for the time in which no other attempt counts, and is never released.
func (h *Handler) countAttempt(d *received, lease *idempotency.Lease) int {
	apart := h.profile.ShortestPause / 2
	if d.redelivered || lease.FailedOpen() || apart == 0 {
		return d.Attempt
	}
	apart = max(apart-time.Since(d.at), time.Millisecond)
	attempts := 0
	for _, key := range d.Keys {
		key = d.keyPrefix() + "attempts/" + strings.TrimPrefix(key, d.keyPrefix())
		n, err := h.guard.Count(d.detached, key, apart)
		if err != nil {
			return d.Attempt
		}
		attempts = max(attempts, n)
	}
	return attempts
}
