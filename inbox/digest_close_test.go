package inbox_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

func TestDigest_CloseSendsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		r.add(t, 1)
		time.Sleep(2 * time.Second)
		r.add(t, 2)
		begin := time.Now()
		r.close(t)
		require.Zero(t, time.Since(begin), "Close waits for no period")
		require.Equal(t, []int{1, 2}, r.counts())
		r.close(t)
		require.Len(t, r.counts(), 2, "a second Close sends nothing")

		r = record(t, 0)
		r.close(t)
		require.Empty(t, r.counts(), "without dead letters there is no alert")
	})
}

func TestDigest_CloseWaitsForSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		r.setSend(func(context.Context) error { time.Sleep(10 * time.Second); return nil })
		r.add(t, 1)
		time.Sleep(2 * time.Second)
		r.add(t, 2)
		begin := time.Now()
		var closes sync.WaitGroup
		for range 3 { // at the same time
			closes.Go(func() { r.close(t) })
		}
		closes.Wait()
		require.Equal(t, 19*time.Second, time.Since(begin), "the rest of the first call, and the second")
		require.Equal(t, []int{1, 2}, r.counts())
	})
}

func TestDigest_CloseReturnsErrorOfLastAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		r.setSend(func(context.Context) error { return errSend })
		r.add(t, 1)
		for range 2 {
			err := r.digest.Close(t.Context())
			require.ErrorIs(t, err, errSend)
			require.EqualError(t, err, "inbox: the last alert of the digest was not sent: the service is down")
		}
		require.Equal(t, 1, r.log.Count(`"level":"ERROR"`, `"alert":"1 dead letter in 1 s, 1 of workflux ping: connection refused"`), "the log has what no alert has")
	})
}

func TestDigest_CloseEndsWithItsContext(t *testing.T) {
	for name, c := range map[string]struct {
		begins time.Duration // of Close, after the call of send
		honors bool          // whether send returns when its context ends
		counts []int
	}{
		"send runs":              {5 * time.Second, true, []int{1}},
		"send hangs":             {5 * time.Second, false, []int{1}},
		"send begins with Close": {-time.Second, true, []int{3}},
		"send of Close hangs":    {-time.Second, false, []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := record(t, 0)
				returns := make(chan struct{})
				defer close(returns)
				r.setSend(func(ctx context.Context) error {
					if c.honors {
						<-ctx.Done()
						return ctx.Err()
					}
					<-returns
					return nil
				})
				r.add(t, 1)
				time.Sleep(time.Second + c.begins)
				r.add(t, 2)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				begin := time.Now()
				require.ErrorIs(t, r.digest.Close(ctx), context.DeadlineExceeded)
				require.Equal(t, 3*time.Second, time.Since(begin), "Close returns when its context ends")
				require.Equal(t, c.counts, r.counts(), "no call begins after the end of the context")
				require.Equal(t, 1, r.log.Count(`"error":"context deadline exceeded","dead_letters":3`), "the log has what no alert has: %s", r.log.String())
			})
		})
	}
}

// A slowHandler takes ten seconds to write a line.
type slowHandler struct{ slog.Handler }

func (slowHandler) Handle(context.Context, slog.Record) error {
	time.Sleep(10 * time.Second)
	return nil
}

// The context of Close can end when no call of send runs, for example while an error is logged.
func TestDigest_SendsNothingAfterContextOfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		d, err := inbox.NewDigest(func(context.Context, inbox.Alert) error { calls.Add(1); return errSend },
			&inbox.DigestOptions{Logger: slog.New(slowHandler{slog.Default().Handler()})})
		require.NoError(t, err)
		d.Add(t.Context(), entry("ping", "timeout"))
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, d.Close(ctx), context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, calls.Load(), "a call with an ended context could send an alert that counts as not sent")
	})
}

func TestDigest_LogsDeadLettersAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		r.close(t)
		r.add(t, 1000)
		require.Equal(t, 1, r.log.Count(), "the lines are bounded")
		require.Equal(t, 1, r.log.Count(`"level":"ERROR"`, "call Inbox.Shutdown before Digest.Close", `"dead_letters":1}`))
		time.Sleep(5 * time.Minute)
		r.add(t, 1000)
		require.Equal(t, 2, r.log.Count())
		require.Equal(t, 1, r.log.Count(`"dead_letters":1000}`), "those without a line are counted in the next one")
		require.Empty(t, r.counts())
	})
}
