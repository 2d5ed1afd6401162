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

var errMischief = errors.New("the callback fails on purpose")

// work does the work of a callback: some take long, and some fail in one way or another before they succeed.
func (r *Receiver) work(ctx context.Context, name string, attempt int) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	n := h.Sum32()
	if err := dawdle(ctx, n); err != nil {
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
		return errMischief
	case 1:
		return webhook.RetryAfter(50*time.Millisecond, errMischief)
	case 2:
		panic("the callback panics on purpose")
	case 3:
		runtime.Goexit()
	case 4: // what it had done is undone
		return effect(errMischief)
	case 5: // what it has done stays done
		return errors.Join(effect(nil), errMischief)
	}
	return effect(nil)
}

// dawdle takes up to 20 ms, and now and then 300.
func dawdle(ctx context.Context, n uint32) error {
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
