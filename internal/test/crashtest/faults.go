//go:build unix

package crashtest

import (
	"context"
	"errors"
	"hash/fnv"
	"runtime"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

var errFault = errors.New("the callback fails on purpose")

// runWithFaults is the callback. Some callbacks take long, and some fail in different ways before they succeed.
func (r *Receiver) runWithFaults(ctx context.Context, name string, attempt int) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	n := h.Sum32()
	if err := delay(ctx, n); err != nil {
		return err
	}
	effect := func(err error) error {
		if InTx(name) {
			return r.Effect(ctx, name, err)
		}
		return err
	}
	if attempt > 1+int(n>>16)%2 {
		return effect(nil)
	}
	switch n % 20 {
	case 0:
		return errFault
	case 1:
		return webhook.RetryAfter(50*time.Millisecond, errFault)
	case 2:
		panic("the callback panics on purpose")
	case 3:
		runtime.Goexit()
	case 4: // the side effect is rolled back
		return effect(errFault)
	case 5: // the side effect is committed
		return errors.Join(effect(nil), errFault)
	}
	return effect(nil)
}

// delay waits up to 20 ms, and for one of 50 deliveries 300 ms.
func delay(ctx context.Context, n uint32) error {
	d := time.Duration(n>>4%20) * time.Millisecond
	if n>>8%50 == 0 {
		d = 300 * time.Millisecond
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
