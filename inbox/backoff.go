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

// DefaultBackoff is the default of [Policy.Backoff]: 5 s after the first failure, twice as long after each further one, at most
// 6 h, and of that up to a tenth more or less, so that what failed together does not come again together.
func DefaultBackoff(n int) time.Duration {
	d := lastBackoff
	if doublings := max(n, 1) - 1; doublings <= 12 {
		d = firstBackoff << doublings
	}
	return d - d/10 + rand.N(d/5) //nolint:gosec // parts those who failed together
}
