// Package benchpair measures two ways of doing something in one benchmark. It measures them in turns, so that other load
// on the machine affects both.
package benchpair

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Slice is how long one side is measured in each turn.
const Slice = 300 * time.Millisecond

// Measure calls ours and theirs in turns. It reports the median of each as "name_unit", and the median of ours/theirs
// over all turns as "ratio".
func Measure(b *testing.B, unit string, names [2]string, ours, theirs func() float64) {
	b.Helper()
	var first, second, ratios []float64
	for turn := 0; b.Loop(); turn++ {
		var x, y float64
		if turn%2 == 0 {
			x = ours()
			y = theirs()
		} else {
			y = theirs()
			x = ours()
		}
		first, second, ratios = append(first, x), append(second, y), append(ratios, x/y)
	}
	b.ReportMetric(0, "ns/op") // removes the time of a turn, which has no meaning
	b.ReportMetric(Median(first), names[0]+"_"+unit)
	b.ReportMetric(Median(second), names[1]+"_"+unit)
	b.ReportMetric(Median(ratios), "ratio")
}

// PerSecond calls f on the given number of goroutines for one [Slice]. It returns the number of calls per second.
func PerSecond(b *testing.B, goroutines int, f func() error) float64 {
	b.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for range goroutines {
		wg.Go(func() {
			for time.Since(began) < Slice {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}

// Median returns the middle value of v. It sorts v.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
