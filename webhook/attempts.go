package webhook

import (
	"context"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// lastAttempt reports whether the vendor may not send the delivery again, and whether our own count says so: the age
// of the signed time knows of attempts that we did not see, but not for certain.
func (p *processing) lastAttempt() (last, counted bool) {
	profile := &p.h.profile
	aged := profile.GiveUpAfter > 0 && !p.sentAt.IsZero() && p.arrived.Sub(p.sentAt) > profile.GiveUpAfter
	counted = profile.Attempts > 0 && p.attempts >= profile.Attempts
	if profile.GiveUpAfter > 0 && p.namedByContent() {
		counted = counted && aged // five failures of young bytes are a person's, or a proxy's
	}
	return counted || aged, counted
}

// namedByContent reports whether the same bytes, and so the same signed time, come on every attempt.
func (p *processing) namedByContent() bool {
	keys := p.delivery.Keys
	return len(keys) > 0 && strings.HasPrefix(keys[0], p.keyPrefix()+vendors.ContentPrefix)
}

// countLast counts the vendor's attempts before a run that can be the last. There cannot be more of them than runs, so
// an earlier run is not worth asking the store for: it is counted once it has failed.
func (p *processing) countLast(lease *idempotency.Lease) {
	p.attempts = p.delivery.Attempt
	if profile := &p.h.profile; p.attempts >= profile.Attempts && profile.Attempts > 1 {
		p.attempts = p.countAttempt(lease)
	}
}

// countEarlier counts an attempt that has failed and was not the last.
func (p *processing) countEarlier(lease *idempotency.Lease) {
	if p.delivery.Attempt < p.h.profile.Attempts {
		p.countAttempt(lease)
	}
}

// countAttempt counts this attempt, unless it came too soon after one that was counted to be the vendor's. It returns
// how many there are, and zero for one that came too soon. If the store is unavailable it returns the number of runs.
//
// The count has a key next to each key of the delivery: what the store counts under those are runs. It is claimed for
// the time in which no other attempt counts, and never given back.
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
