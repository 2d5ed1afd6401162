package webhook

import (
	"context"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// lastAttempt reports whether this may be the vendor's last attempt, and whether our own count says so. The age of the
// signed time also covers attempts that we did not see, but it is only an estimate.
func (p *processing) lastAttempt() (last, counted bool) {
	profile := &p.h.profile
	aged := profile.GiveUpAfter > 0 && !p.sentAt.IsZero() && p.arrived.Sub(p.sentAt) > profile.GiveUpAfter
	counted = profile.Attempts > 0 && p.attempts >= profile.Attempts
	if profile.GiveUpAfter > 0 && p.namedByContent() {
		counted = counted && aged // a person or a proxy sent copies: the vendor's attempts take longer
	}
	return counted || aged, counted
}

// namedByContent reports whether the first key is a digest of the signed bytes. Such bytes, and so the signed time, are the
// same on every attempt.
func (p *processing) namedByContent() bool {
	keys := p.delivery.Keys
	return len(keys) > 0 && strings.HasPrefix(keys[0], p.keyPrefix()+vendors.ContentPrefix)
}

// countLast counts the vendor's attempts before a run that can be the last. There are never more attempts than runs, so an
// earlier run does not need a call to the store: it is counted after it has failed.
func (p *processing) countLast(lease *idempotency.Lease) {
	p.attempts = p.delivery.Attempt
	if profile := &p.h.profile; p.attempts >= profile.Attempts && profile.Attempts > 1 {
		p.attempts = p.countAttempt(lease)
	}
}

// countEarlier counts a failed attempt that was not the last.
func (p *processing) countEarlier(lease *idempotency.Lease) {
	if p.delivery.Attempt < p.h.profile.Attempts {
		p.countAttempt(lease)
	}
}

// countAttempt counts this attempt, unless it came too soon after the last counted one to be the vendor's. It returns the
// number of attempts, zero for an attempt that came too soon, and the number of runs if the store is unavailable.
//
// Each key of the delivery has a second key for this count, because the store counts runs under the first. The second key
// is claimed for the time in which no other attempt counts, and is never released.
func (p *processing) countAttempt(lease *idempotency.Lease) int {
	apart := p.h.profile.ShortestPause / 2
	if p.redelivered || lease.FailedOpen() || apart == 0 {
		return p.delivery.Attempt
	}
	apart = max(apart-time.Since(p.arrived), time.Millisecond)
	attempts := 0
	for _, key := range p.delivery.Keys {
		key = p.keyPrefix() + "attempts/" + strings.TrimPrefix(key, p.keyPrefix())
		n, err := p.h.guard.Count(context.WithoutCancel(p.ctx), key, apart)
		if err != nil {
			return p.delivery.Attempt
		}
		attempts = max(attempts, n)
	}
	return attempts
}
