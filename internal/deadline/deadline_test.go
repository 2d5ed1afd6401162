package deadline_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

var errOwn = errors.New("the call's own error")

func TestCallReturnsWhatTheCallDoes(t *testing.T) {
	for _, want := range []error{nil, errOwn} {
		require.Equal(t, want, deadline.Call(t.Context(), time.Minute, func(context.Context) error { return want }))
	}
}

func TestTheCallsContextEndsAtTheLimitAndKeepsItsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		err := deadline.Call(ctx, time.Minute, func(ctx context.Context) error {
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Minute, time.Until(end))
			require.Equal(t, "value", ctx.Value(key{}))
			return nil
		})
		require.NoError(t, err)
	})
}

func TestCallReturnsAtTheLimitThoughTheCallDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := deadline.Call(t.Context(), time.Second, func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no result within 1s")
		require.Equal(t, time.Second, time.Since(start))
		time.Sleep(time.Hour) // no caller reads the result, but the goroutine ends
	})
}

func TestCallReturnsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := deadline.Call(ctx, time.Minute, func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
		time.Sleep(time.Hour)
	})
}

func TestALimitThatHasPassedReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []time.Duration{0, -time.Second} {
			err := deadline.Call(t.Context(), limit, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				return nil
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		time.Sleep(time.Second)
	})
}

func TestAPanicIsReturnedAsAnError(t *testing.T) {
	err := deadline.Call(t.Context(), time.Minute, func(context.Context) error { panic("boom") })
	require.EqualError(t, err, "panic: boom")
}

func TestAPanicAfterTheLimitHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := deadline.Call(t.Context(), time.Second, func(context.Context) error {
			time.Sleep(time.Minute)
			panic("boom")
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
	})
}

func TestACallThatEndsItsGoroutineIsReturnedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := deadline.Call(t.Context(), time.Minute, func(context.Context) error { runtime.Goexit(); return nil })
		require.ErrorContains(t, err, "ended its goroutine")
		require.Zero(t, time.Since(start))
	})
}
