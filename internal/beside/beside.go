// Package beside measures two ways of doing something in one benchmark, in turns, so that whatever else the machine does
// falls on both.
package beside

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Slice is how long one side is measured before it is the other's turn.
const Slice = 300 * time.Millisecond

// Measure has ours and theirs measure themselves in turns, and reports the median of each, under its name and the unit, and
// of the ratios of neighbouring turns.
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
	b.ReportMetric(0, "ns/op") // of a turn: says nothing
	b.ReportMetric(Median(first), names[0]+"_"+unit)
	b.ReportMetric(Median(second), names[1]+"_"+unit)
	b.ReportMetric(Median(ratios), "ratio")
}

// PerSecond calls f on so many goroutines for a slice, and returns how often a second.
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

// Median returns the middle one. It sorts v.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
