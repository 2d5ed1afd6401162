//go:build unix

package sqlite

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/webhook"
)

// An idleHook is a handler of one of many endpoints.
type idleHook struct{ endpoint string }

func (h idleHook) Vendor() string      { return "workflux" }
func (h idleHook) Endpoint() string    { return h.endpoint }
func (h idleHook) Handles(string) bool { return true }
func (h idleHook) Redeliver(context.Context, *webhook.Delivery) webhook.Result {
	return webhook.Result{Outcome: webhook.Handled}
}

// BenchmarkIdle measures what endpoints cost that get nothing: processor time in 5 seconds.
func BenchmarkIdle(b *testing.B) {
	for _, endpoints := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) {
			box := openForBenchmark(b, fillFile(b, 1000))
			hooks := make([]inbox.Handler, endpoints)
			for i := range hooks {
				hooks[i] = idleHook{fmt.Sprint("endpoint", i)}
			}
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = box.Run(ctx, hooks...) })
			defer running.Wait()
			defer cancel()
			time.Sleep(time.Second) // what a Run does at its beginning is not measured
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
