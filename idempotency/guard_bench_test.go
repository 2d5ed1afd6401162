package idempotency_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
)

// BenchmarkGuardAcquireComplete measures what renewals cost work that is too short for one.
func BenchmarkGuardAcquireComplete(b *testing.B) {
	for _, renew := range []time.Duration{0, time.Hour} {
		b.Run(fmt.Sprint("renewed for ", renew), func(b *testing.B) {
			g := newGuard(b, newMemory(b, &idempotency.MemoryOptions{MaxKeys: 1 << 30}), nil)
			request := idempotency.ClaimRequest{Lease: time.Minute}
			if renew > 0 {
				request.RenewUntil = time.Now().Add(renew)
			}
			keys := make([]string, b.N)
			for i := range keys {
				keys[i] = fmt.Sprint("key ", i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range keys {
				request.Keys = keys[i : i+1]
				lease, _, err := g.Acquire(b.Context(), request)
				require.NoError(b, err)
				_ = lease.Context(b.Context())
				require.NoError(b, lease.Complete(b.Context()))
			}
		})
	}
}
