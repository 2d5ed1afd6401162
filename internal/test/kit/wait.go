package kit

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long a test waits for what must happen. What takes longer hangs, even on a busy machine.
const Patience = 2 * time.Minute

// Full reports whether tests run in full: AIHOOKS_TEST_LONG is set in the environment.
func Full() bool { return os.Getenv("AIHOOKS_TEST_LONG") != "" }

// Eventually waits until condition is true.
func Eventually(t testing.TB, condition func() bool, message ...any) {
	t.Helper()
	require.Eventually(t, condition, Patience, 10*time.Millisecond, message...)
}

// Quick requires that f takes less than d at least once. A busy machine delays some calls, but a wait in the code delays
// all of them.
func Quick(t testing.TB, d time.Duration, f func()) {
	t.Helper()
	for range 5 {
		began := time.Now()
		f()
		if time.Since(began) < d {
			return
		}
	}
	require.Failf(t, "too slow", "it took %v or longer each time", d)
}

// OnADay runs f in a bubble. Its clock starts at noon of a day on which Unix times have ten digits.
func OnADay(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)))
		f(t)
	})
}
