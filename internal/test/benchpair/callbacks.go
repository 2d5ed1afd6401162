package benchpair

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// PrintCalls is the loop of a process whose callbacks count their calls. It prints "ready", and then the number of calls for
// each line on standard input.
func PrintCalls(calls *atomic.Int64) {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(calls.Load())
	}
}

// Callbacks stores deliveries on many goroutines, and starts processes that run them and call [PrintCalls]. It returns the
// number of callbacks per second.
func Callbacks(b *testing.B, deliveries, goroutines, processes int, store func() error, start func() *kit.Process) float64 {
	b.Helper()
	var storing sync.WaitGroup
	for range goroutines {
		storing.Go(func() {
			for range deliveries / goroutines {
				if err := store(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	storing.Wait()
	workers := make([]*kit.Process, processes)
	for i := range workers {
		workers[i] = start()
		require.Equal(b, "ready", workers[i].Line(b))
	}
	sum := func() (n int) {
		for _, w := range workers {
			_, err := fmt.Fprintln(w.Stdin)
			require.NoError(b, err)
			calls, err := strconv.Atoi(w.Line(b))
			require.NoError(b, err)
			n += calls
		}
		return n
	}
	// The measurement begins with the first callbacks, because starting takes time on both sides.
	first := 0
	for first == 0 {
		first = sum()
	}
	began := time.Now()
	n := first
	for n < deliveries/goroutines*goroutines {
		time.Sleep(time.Millisecond)
		n = sum()
	}
	rate := float64(n-first) / time.Since(began).Seconds()
	for _, w := range workers {
		w.End(b)
	}
	return rate
}
