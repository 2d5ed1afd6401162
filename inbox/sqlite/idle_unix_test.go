//go:build unix

package sqliteinbox

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
)

// BenchmarkIdle measures the processor time that idle endpoints use in 5 seconds.
func BenchmarkIdle(b *testing.B) {
	for _, endpoints := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) {
			box := openForBenchmark(b, fillFile(b, 1000))
			hooks := make([]inbox.Handler, endpoints)
			for i := range hooks {
				hooks[i] = inboxkit.Fake{VendorName: "workflux", EndpointName: fmt.Sprint("endpoint", i)}
			}
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = box.Run(ctx, hooks...) })
			defer running.Wait()
			defer cancel()
			time.Sleep(time.Second) // do not measure the beginning of the Run
			before := processorTime(b)
			time.Sleep(5 * time.Second)
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1000, "cpu-ms/5s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
