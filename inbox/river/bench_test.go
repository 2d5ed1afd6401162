//go:build unix

package riverinbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// newBench returns a bench on a new database.
func newBench(b *testing.B) (dsn string, opened *bench) {
	b.Helper()
	dsn = pgtest.Shared(b).Database(b)
	pool, err := pgxpool.New(b.Context(), dsn)
	require.NoError(b, err)
	defer pool.Close()
	box, err := riverinbox.New(pool, nil)
	require.NoError(b, err)
	require.NoError(b, box.Migrate(b.Context()))
	require.NoError(b, box.Close())
	opened, err = openBench(dsn)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, opened.close()) })
	return dsn, opened
}

var samples atomic.Int64

// sample returns a new delivery of 4 KiB.
func sample() *webhook.Delivery {
	id := fmt.Sprintf("%d-%d", time.Now().UnixNano(), samples.Add(1))
	body := convospheretest.Samples()[0].Body
	filler := make([]byte, 4096-len(body))
	for i := range filler {
		filler[i] = ' '
	}
	d := newDelivery(id, slices.Concat(body, filler))
	d.Type = convospheretest.Samples()[0].Type
	return d
}

// BenchmarkEnqueue measures durable acknowledgements per second.
func BenchmarkEnqueue(b *testing.B) {
	_, opened := newBench(b)
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			benchpair.Measure(b, "per_s", [2]string{"inbox", "alone"}, func() float64 {
				return benchpair.PerSecond(b, senders, func() error { return opened.enqueue(sample()) })
			}, func() float64 {
				return benchpair.PerSecond(b, senders, func() error { return opened.insertAlone(sample()) })
			})
		})
	}
}

// BenchmarkCallbacks measures callbacks per second. They do nothing, and run in separate processes on stored deliveries.
func BenchmarkCallbacks(b *testing.B) {
	for _, processes := range []int{1, 3} {
		for _, ours := range []way{memoryWay, ownWay} {
			b.Run(fmt.Sprintf("processes=%d/store=%s", processes, ours.name), func(b *testing.B) {
				dsn, opened := newBench(b)
				benchpair.Measure(b, "per_s", [2]string{"inbox", "alone"},
					func() float64 { return callbacks(b, dsn, opened, ours, processes) },
					func() float64 { return callbacks(b, dsn, opened, aloneWay, processes) })
			})
		}
	}
}

func callbacks(b *testing.B, dsn string, opened *bench, w way, processes int) float64 {
	b.Helper()
	return benchpair.Callbacks(b, 6000, 16, processes, func() error { return w.insert(opened, sample()) }, func() *kit.Process {
		return kit.StartRole(b, "bench", envDSN+"="+dsn, envWay+"="+w.name)
	})
}

// BenchmarkLatency measures the time from before Enqueue to the callback, one delivery at a time.
func BenchmarkLatency(b *testing.B) {
	_, opened := newBench(b)
	require.NoError(b, opened.client.Start(context.Background()))
	for _, w := range allWays {
		b.Run(w.name, func(b *testing.B) {
			called := make(chan time.Time, 1)
			stop, err := w.work(opened, func(string) { called <- time.Now() })
			require.NoError(b, err)
			defer func() { require.NoError(b, stop()) }()
			took := make([]time.Duration, 0, b.N)
			for range b.N {
				began := time.Now()
				require.NoError(b, w.insert(opened, sample()))
				took = append(took, (<-called).Sub(began))
				time.Sleep(30 * time.Millisecond) // longer than River's cooldown
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
