package deadline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

func TestSingle_DoesNotCallAgainBeforeItHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s deadline.Single
		var calls atomic.Int64
		call := func(f func(context.Context) error) error {
			return s.Call(t.Context(), time.Second, func(ctx context.Context) error {
				calls.Add(1)
				return f(ctx)
			})
		}
		returns := make(chan struct{})
		for range 3 {
			require.ErrorIs(t, call(func(context.Context) error { <-returns; return nil }), context.DeadlineExceeded)
		}
		require.EqualValues(t, 1, calls.Load())
		close(returns)
		synctest.Wait()
		require.ErrorContains(t, call(func(context.Context) error { panic("on purpose") }), "on purpose")
		require.Equal(t, errOwn, call(func(context.Context) error { return errOwn }), "also after a panic")
		require.EqualValues(t, 3, calls.Load())
	})
}
