package webhook_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// untilCancelled is a callback that returns when its context ends.
func untilCancelled(ctx context.Context, _ *Ping) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestShutdown_WaitsForCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, slow)
		deliverConcurrently(t, r)
		start := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, 20*time.Second, time.Since(start))
		require.Equal(t, "completed", r.keyState("a"))
		seen := r.observations()
		require.True(t, seen[len(seen)-1].Late, "the outcome must have been observed")
	})
}

func TestShutdown_WaitsForBodyBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		go r.Process(t.Context(), webhook.Request{Body: stuck{}})
		synctest.Wait()
		start := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, webhook.DefaultBodyTimeout, time.Since(start))
		time.Sleep(time.Hour)
	})
}

func TestShutdown_CancelsCallbacksWhenContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, untilCancelled)
		deliverConcurrently(t, r)
		start := time.Now()
		require.NoError(t, r.Shutdown(within(t, 2*time.Second)), "no callback must be left")
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "released", r.keyState("a"), "the key must be free for the next attempt")
		require.ErrorIs(t, r.observations()[0].Err, context.Canceled)
	})
}

func TestShutdown_ReportsUnfinishedCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			if e.ID == "minds" {
				return untilCancelled(ctx, e)
			}
			return slow(ctx, e)
		})
		for _, id := range []string{"a", "b", "minds"} {
			go r.deliver(body(id))
		}
		synctest.Wait()
		start := time.Now()
		err := r.Shutdown(within(t, 2*time.Second))
		require.Equal(t, 3*time.Second, time.Since(start), "Shutdown must wait one second longer than the context")
		var left *webhook.ShutdownError
		require.ErrorAs(t, err, &left)
		require.ElementsMatch(t, []string{"a", "b"}, left.Left)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "webhook: the shutdown ended with 2 callbacks still running: context deadline exceeded")
		require.Equal(t, "in flight", r.keyState("a"))
		require.Equal(t, "released", r.keyState("minds"))
		time.Sleep(time.Hour)
	})
}

func TestShutdown_SharesTheSecondAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handlers := make([]*receiver, 3)
		for i := range handlers {
			handlers[i] = newReceiver(t, webhook.Options{})
			ping.On(handlers[i].Handler, func(context.Context, *Ping) error { time.Sleep(time.Minute); return nil })
			deliverConcurrently(t, handlers[i])
		}
		start, ctx := time.Now(), within(t, 2*time.Second)
		for _, h := range handlers {
			require.Error(t, h.Shutdown(ctx))
		}
		require.Equal(t, 3200*time.Millisecond, time.Since(start), "handlers after the deadline get only 100 ms each")
		time.Sleep(time.Hour)
	})
}

func TestShutdown_AllowsRepeatedAndConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, slow)
		deliverConcurrently(t, r)
		var calls sync.WaitGroup
		var errs [4]error
		for i := range errs {
			calls.Go(func() { errs[i] = r.Shutdown(within(t, time.Duration(10+5*i)*time.Second)) })
		}
		calls.Wait()
		require.Error(t, errs[0])
		require.Error(t, errs[1])
		require.NoError(t, errs[2])
		require.NoError(t, errs[3])
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestShutdown_SucceedsWhenNothingIsLeft(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		r.deliver(body("a"))
		require.NoError(t, r.Shutdown(over))
	}
}

func TestShutdown_Responds503Afterwards(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	require.NoError(t, r.Shutdown(t.Context()))
	got := r.deliver(body("a"))
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, 5, retryAfter(t, got))
	require.Equal(t, "close", got.header.Get("Connection"))
	require.Equal(t, "none", r.keyState("a"))
	d := &webhook.Delivery{Vendor: "acme", Endpoint: "default", Keys: []string{"k"}, Type: "ping", Body: body("a")}
	require.Equal(t, webhook.ReasonShuttingDown, r.Redeliver(t.Context(), d).Reason)
	require.Equal(t, 0, r.log.Count(`"level":"WARN"`)+r.log.Count(`"level":"ERROR"`), "a shutdown must not log a Warning or an Error")
}

func TestShutdown_KeepsInboxOpen(t *testing.T) {
	stored := 0
	r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
		stored++
		return false, nil
	})})
	require.NoError(t, r.Shutdown(t.Context()))
	require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
	require.Equal(t, 1, stored)
}

func TestShutdown_CancelsDuplicateThatTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		calls := 0
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			calls++
			return untilCancelled(ctx, e)
		})
		deliverConcurrently(t, r)
		deliverConcurrently(t, r) // it waits for the first
		start := time.Now()
		require.NoError(t, r.Shutdown(within(t, time.Second)))
		require.Equal(t, time.Second, time.Since(start))
		require.LessOrEqual(t, calls, 2)
		require.Equal(t, "released", r.keyState("a"))
	})
}

func TestShutdown_WaitsForCompletionInStore(t *testing.T) {
	for name, c := range map[string]struct {
		recovers time.Duration
		fails    bool
	}{"in time": {recovers: 3 * time.Second}, "too late": {recovers: 20 * time.Second, fails: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{Store: &brokenStore{completeErr: errors.New("store down"), recovers: c.recovers}})
				ping.On(r.Handler, returns(nil))
				require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
				err := r.Shutdown(within(t, 10*time.Second))
				if c.fails {
					require.ErrorContains(t, err, "still pending in the store")
					require.ErrorIs(t, err, context.DeadlineExceeded)
				} else {
					require.NoError(t, err)
					require.Equal(t, "completed", r.keyState("a"))
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestShutdown_WaitsForReleaseInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Store: &brokenStore{releaseErr: errors.New("store down"), recovers: 2500 * time.Millisecond}})
		ping.On(r.Handler, untilCancelled)
		deliverConcurrently(t, r)
		require.NoError(t, r.Shutdown(within(t, 2*time.Second)), "the store recovers within the last second")
		require.Equal(t, "released", r.keyState("a"))
		time.Sleep(time.Hour)
	})
}

func TestShutdown_LosesNothingAfterServerShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		finish := map[string]chan struct{}{"overrun": make(chan struct{}), "request": make(chan struct{})}
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			<-finish[e.ID]
			return ctx.Err()
		})
		listener := kit.NewPipeListener()
		server := &http.Server{Handler: r, ReadHeaderTimeout: patience}
		server.RegisterOnShutdown(func() { // the listener is closed already
			if _, err := listener.Dial(); err != nil {
				close(finish["request"])
			}
		})
		go server.Serve(listener)

		post := func(id string) *wireClient {
			conn, err := listener.Dial()
			require.NoError(t, err)
			c := &wireClient{conn, t, bufio.NewReader(conn)}
			c.write(r.post(body(id)))
			return c
		}
		require.Equal(t, http.StatusServiceUnavailable, post("overrun").readResponse().status, "the response is sent, and the callback still runs")
		inFlight := post("request")
		synctest.Wait()
		shut := make(chan error, 1)
		go func() { shut <- server.Shutdown(within(t, patience)) }()
		require.Equal(t, http.StatusOK, inFlight.readResponse().status, "a request in flight must get its response")
		require.NoError(t, <-shut)

		down := make(chan error, 1)
		go func() { down <- r.Shutdown(within(t, patience)) }()
		synctest.Wait()
		require.Empty(t, down, "Shutdown must wait for the late callback")
		close(finish["overrun"])
		require.NoError(t, <-down)

		require.Equal(t, "completed", r.keyState("overrun"))
		require.Equal(t, "completed", r.keyState("request"))
		late := r.last(3)
		require.True(t, late.Late)
		require.Equal(t, webhook.Handled, late.Outcome)
	}) // synctest fails if a goroutine is left
}

// ourGoroutines counts the goroutines that run code of this package.
func ourGoroutines() int {
	buf := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "aihooks-go/webhook.") || strings.Contains(stack, "aihooks-go/idempotency.") {
			n++
		}
	}
	return n
}

func TestHandler_LeaksNoGoroutine(t *testing.T) {
	before := ourGoroutines()
	r := newReceiver(t, webhook.Options{BodyTimeout: 50 * time.Millisecond})
	ping.On(r.Handler, returns(nil))
	address := listen(t, r)
	for i := range 20 {
		dial(t, address).write(r.post(body(fmt.Sprint(i))))
		dial(t, address).write(r.head(nil, length(100)), "slow")
		cut := dial(t, address)
		cut.write(r.head(nil, length(100)))
		cut.Close()
		dial(t, address).write("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	}
	require.Eventually(t, func() bool { return len(r.observations()) == 80 }, patience, time.Millisecond)
	require.NoError(t, r.Shutdown(within(t, patience)))
	require.Eventually(t, func() bool { return ourGoroutines() <= before }, patience, time.Millisecond, "no goroutine must be left")
}
