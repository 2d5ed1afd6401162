package inbox

import (
	"math/rand/v2"
	"time"
)

// The bounds of DefaultBackoff.
const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 6 * time.Hour
)

// DefaultBackoff returns the default of [Policy.Backoff]. It is 5 s after the first failure, and doubles with each
// further one, up to 6 h. Each backoff varies by up to a tenth, so that deliveries that failed together do not run again
// together.
func DefaultBackoff(n int) time.Duration {
	d := lastBackoff
	if doublings := max(n, 1) - 1; doublings <= 12 {
		d = firstBackoff << doublings
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // spreads retries, no secret
}
