//go:build unix

package riverinbox_test

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/aihooks/aihooks-go/internal/test/benchpair"
)

const envWay = "RIVERTEST_WAY"

// benchWorker is the main function of a process that works the stored jobs. It prints "ready", and then the number of
// callbacks for each line on standard input.
func benchWorker() error {
	b, err := openBench(os.Getenv(envDSN))
	if err != nil {
		return err
	}
	if err := b.client.Start(context.Background()); err != nil {
		return err
	}
	var calls atomic.Int64
	var stop func() error
	for _, w := range allWays {
		if w.name == os.Getenv(envWay) {
			stop, err = w.work(b, func(string) { calls.Add(1) })
		}
	}
	if err != nil {
		return err
	}
	benchpair.PrintCalls(&calls)
	if err := stop(); err != nil {
		return err
	}
	return b.close()
}
