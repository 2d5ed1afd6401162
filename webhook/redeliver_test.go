package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// stored returns the delivery of a ping, as an inbox stores it.
func stored(t *testing.T, id string) *webhook.Delivery { return storedBody(t, body(id)) }

func storedBody(t *testing.T, body []byte) *webhook.Delivery {
	t.Helper()
	var got *webhook.Delivery
	r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(_ context.Context, d *webhook.Delivery) (bool, error) {
		got = d
		return false, nil
	})}, keepsHeader)
	require.Equal(t, http.StatusOK, r.deliver(body).status)
	require.NotNil(t, got)
	return restored(t, got)
}

func keepsHeader(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Headers = []string{"Content-Type"} }

func redelivering(t *testing.T, callback func(context.Context, *Ping) error, test func(t *testing.T, r *receiver)) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		if callback != nil {
			ping.On(r.Handler, callback)
		}
		test(t, r)
		time.Sleep(time.Hour)
	})
}

func TestRedeliver_CallsBackOnce(t *testing.T) {
	var got *Ping
	redelivering(t, func(_ context.Context, e *Ping) error { got = e; return nil }, func(t *testing.T, r *receiver) {
		d := stored(t, "a")
		result := r.Redeliver(t.Context(), d)
		require.Equal(t, webhook.Handled, result.Outcome)
		require.Equal(t, http.StatusOK, result.Status)
		require.Equal(t, 1, result.Delivery.Attempt)
		require.Equal(t, 7, got.N)
		require.Equal(t, "a", got.ID)
		require.Equal(t, d.Body, got.Delivery().Body)
		require.Zero(t, d.Attempt, "Redeliver must not change the caller's delivery")
		require.Equal(t, "completed", r.keyState("a"))
		require.Equal(t, webhook.Duplicate, r.Redeliver(t.Context(), d).Outcome)
		require.Equal(t, bodyDuplicate, r.deliver(body("a")).body, "the keys must be those of ServeHTTP")
		require.Equal(t, webhook.Handled, r.observations()[0].Outcome)
		require.Equal(t, len(d.Body), r.observations()[0].Bytes)
	})
}

func TestRedeliver_EndsRegistration(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	require.Equal(t, webhook.Unhandled, r.Redeliver(t.Context(), stored(t, "a")).Outcome)
	require.Panics(t, func() { ping.On(r.Handler, returns(nil)) })
}

func TestRedeliver_RunsAgainAfterFailure(t *testing.T) {
	for name, c := range map[string]struct {
		callback func(context.Context, *Ping) error
		want     webhook.Outcome
	}{
		"an error":   {returns(errCallback), webhook.Failed},
		"RetryAfter": {returns(webhook.RetryAfter(time.Minute, errCallback)), retryLater},
		"a panic":    {func(context.Context, *Ping) error { panic("boom") }, panicked},
		"Goexit":     {func(context.Context, *Ping) error { runtime.Goexit(); return nil }, panicked},
	} {
		t.Run(name, func(t *testing.T) {
			redelivering(t, c.callback, func(t *testing.T, r *receiver) {
				d := stored(t, "a")
				for n := 1; n <= 5; n++ { // the vendor's attempts, which are three, do not apply here
					result := r.Redeliver(t.Context(), d)
					require.Equal(t, c.want, as(c.want, result.Outcome, result.Reason))
					require.Equal(t, n, result.Delivery.Attempt)
					require.NotEqual(t, webhook.ReasonLastAttempt, result.Reason)
					require.Error(t, result.Err)
				}
				if c.want == retryLater {
					require.Equal(t, time.Minute, r.Redeliver(t.Context(), d).RetryAfter)
				}
				require.Equal(t, "released", r.keyState("a"))
			})
		})
	}
}

func TestRedeliver_ReturnsExactRetryAfter(t *testing.T) {
	for _, d := range []time.Duration{3 * 24 * time.Hour, 1500 * time.Millisecond} {
		redelivering(t, returns(webhook.RetryAfter(d, errCallback)), func(t *testing.T, r *receiver) {
			require.Equal(t, d, r.Redeliver(t.Context(), stored(t, "a")).RetryAfter)
		})
	}
}

func TestRedeliver_WithoutATimeReturnsDefaultRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Store: downStore{memory(t, 0)}})
		ping.On(r.Handler, returns(nil))
		result := r.Redeliver(t.Context(), stored(t, "a"))
		require.Equal(t, webhook.Unavailable, result.Outcome)
		require.Equal(t, 5*time.Second, result.RetryAfter)
	})
}

func TestRedeliver_LeavesPermanentFailuresToCaller(t *testing.T) {
	for name, c := range map[string]struct {
		callback func(context.Context, *Ping) error
		body     func() []byte
		reason   webhook.Reason
	}{
		"permanent":   {returns(webhook.Permanent(errCallback)), func() []byte { return body("a") }, webhook.ReasonPermanent},
		"undecodable": {returns(nil), misfit, webhook.ReasonUndecodable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{DeadLetter: func(context.Context, *webhook.Delivery, error) error {
					panic("DeadLetter must not be called")
				}})
				ping.On(r.Handler, c.callback)
				result := r.Redeliver(t.Context(), storedBody(t, c.body()))
				require.Equal(t, webhook.DeadLettered, result.Outcome)
				require.Equal(t, c.reason, result.Reason)
				require.Error(t, result.Err)
				require.Equal(t, "released", r.keyState("a"))
			})
		})
	}
}

func TestAgain_RunsUnderNewKeys(t *testing.T) {
	redelivering(t, inTurn(3*time.Second), func(t *testing.T, r *receiver) {
		d := stored(t, "a")
		first := r.Redeliver(t.Context(), d)
		require.Equal(t, webhook.Handled, first.Outcome)
		require.Equal(t, 1, first.Delivery.Attempt)
		require.Zero(t, first.Delivery.Again(1).Attempt, "its first run is still to come")
		again := restored(t, d.Again(1))
		require.Equal(t, []string{keyOf("a") + "#1"}, again.Keys)
		require.Equal(t, []string{keyOf("a")}, d.Keys)
		var both sync.WaitGroup
		outcomes := make([]webhook.Outcome, 2)
		for i := range outcomes {
			both.Go(func() { outcomes[i] = r.Redeliver(t.Context(), again).Outcome })
		}
		both.Wait()
		require.ElementsMatch(t, []webhook.Outcome{webhook.Handled, webhook.Duplicate}, outcomes, "the retry must run once")
		require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), d.Again(2)).Outcome)
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestRedeliver_ClaimsNothingWithoutCallback(t *testing.T) {
	redelivering(t, nil, func(t *testing.T, r *receiver) {
		result := r.Redeliver(t.Context(), stored(t, "a"))
		require.Equal(t, webhook.Unhandled, result.Outcome)
		require.Equal(t, webhook.ReasonNoCallback, result.Reason)
		unknown := storedBody(t, bytes.Replace(body("b"), []byte(`"ping"`), []byte(`"boing"`), 1))
		require.Equal(t, webhook.ReasonUnknownType, r.Redeliver(t.Context(), unknown).Reason)
		require.Equal(t, "none", r.keyState("a"))
	})
}

func TestRedeliver_RefusesDeliveryOfOtherHandler(t *testing.T) {
	for name, change := range map[string]func(*webhook.Delivery){
		"vendor":   func(d *webhook.Delivery) { d.Vendor = "emca" },
		"endpoint": func(d *webhook.Delivery) { d.Endpoint = "other" },
		"no keys":  func(d *webhook.Delivery) { d.Keys = nil },
	} {
		t.Run(name, func(t *testing.T) {
			redelivering(t, func(context.Context, *Ping) error { panic("called back") }, func(t *testing.T, r *receiver) {
				d := stored(t, "a")
				change(d)
				result := r.Redeliver(t.Context(), d)
				require.Equal(t, webhook.Failed, result.Outcome)
				require.ErrorContains(t, result.Err, "handler of acme/default")
				require.Equal(t, "none", r.keyState("a"))
			})
		})
	}
}

func TestRedeliver_RejectsCorruptBody(t *testing.T) {
	redelivering(t, returns(nil), func(t *testing.T, r *receiver) {
		d := stored(t, "a")
		d.Body = d.Body[:len(d.Body)-1]
		require.Equal(t, webhook.Rejected, r.Redeliver(t.Context(), d).Outcome)
		require.Equal(t, "none", r.keyState("a"))
	})
}

func TestRedeliver_RefusesAfterShutdown(t *testing.T) {
	redelivering(t, returns(nil), func(t *testing.T, r *receiver) {
		d := stored(t, "a")
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, webhook.ReasonShuttingDown, r.Redeliver(t.Context(), d).Reason)
		require.Equal(t, "none", r.keyState("a"))
	})
}

func TestRedeliver_CanceledByShutdownIsNoFailure(t *testing.T) {
	for name, callback := range map[string]func(context.Context, *Ping) error{
		"error":      untilCancelled,
		"RetryAfter": func(ctx context.Context, e *Ping) error { return webhook.RetryAfter(time.Hour, untilCancelled(ctx, e)) },
		"panic":      func(ctx context.Context, e *Ping) error { panic(untilCancelled(ctx, e)) },
		"success":    func(ctx context.Context, e *Ping) error { _ = untilCancelled(ctx, e); return nil },
		"permanent":  func(ctx context.Context, e *Ping) error { return webhook.Permanent(untilCancelled(ctx, e)) },
	} {
		t.Run(name, func(t *testing.T) {
			redelivering(t, callback, func(t *testing.T, r *receiver) {
				done := make(chan webhook.Result, 1)
				d := stored(t, "a")
				go func() { done <- r.Redeliver(t.Context(), d) }()
				synctest.Wait()
				require.NoError(t, r.Shutdown(within(t, time.Second)))
				want := shuttingDown
				switch name {
				case "success":
					want = webhook.Handled
				case "permanent":
					want = webhook.DeadLettered
				}
				result, seen := <-done, r.observations()[0]
				require.Equal(t, want, as(want, result.Outcome, result.Reason))
				require.Equal(t, want, as(want, seen.Outcome, seen.Reason))
			})
		})
	}
}

// The inbox counts the attempts of what it has stored.
func TestRedeliver_FailureIsNotCountedAsAttempt(t *testing.T) {
	redelivering(t, returns(errCallback), func(t *testing.T, r *receiver) {
		require.Equal(t, webhook.Failed, r.Redeliver(t.Context(), stored(t, "a")).Outcome)
		require.Equal(t, 1, r.store.(*idempotency.Memory).Len(), "the delivery's key alone")
	})
}

func TestShutdown_WaitsForRedeliver(t *testing.T) {
	redelivering(t, inTurn(3*time.Second), func(t *testing.T, r *receiver) {
		done := make(chan webhook.Result, 1)
		d := stored(t, "a")
		go func() { done <- r.Redeliver(t.Context(), d) }()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, webhook.Handled, (<-done).Outcome)
	})
}

func TestDeliveryJSON_KeepsBodyByteForByte(t *testing.T) {
	redelivering(t, returns(nil), func(t *testing.T, r *receiver) {
		// Not UTF-8, not compact, and with characters that encoding/json escapes for HTML.
		odd := bytes.Replace(body("a"), []byte(`"n":7`), []byte("\n\t\"n\" : 7, \"x\":\"\xff\xfe<&>\u2028\""), 1)
		d := storedBody(t, odd)
		require.Equal(t, odd, d.Body)
		require.Equal(t, "application/json", d.Header.Get("Content-Type"))
		require.Equal(t, d, restored(t, d))
		direct, err := json.Marshal(d)
		require.NoError(t, err)
		indirect, err := json.Marshal(restored(t, d))
		require.NoError(t, err)
		require.Equal(t, string(direct), string(indirect))
		require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), d).Outcome)
	})
}

func TestRedeliver_EndsCallbackWithItsContext(t *testing.T) {
	redelivering(t, untilCancelled, func(t *testing.T, r *receiver) {
		d := stored(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		start := time.Now()
		result := r.Redeliver(ctx, d)
		require.Equal(t, webhook.Failed, result.Outcome)
		require.ErrorIs(t, result.Err, context.Canceled)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "released", r.keyState("a"))

		require.Equal(t, webhook.Unavailable, r.Redeliver(ctx, stored(t, "b")).Outcome, "the context has ended before the call")
		require.Equal(t, "none", r.keyState("b"))
	})
}

func TestRedeliver_WaitsForSlowCallback(t *testing.T) {
	redelivering(t, inTurn(10*time.Minute), func(t *testing.T, r *receiver) {
		start := time.Now()
		require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), stored(t, "a")).Outcome)
		require.Equal(t, 10*time.Minute, time.Since(start))
		require.Len(t, r.observations(), 1)
		require.False(t, r.observations()[0].Late)
	})
}

func TestRedeliver_LimitsWaitForDuplicate(t *testing.T) {
	redelivering(t, inTurn(time.Minute), func(t *testing.T, r *receiver) {
		deliverConcurrently(t, r)
		start := time.Now()
		result := r.Redeliver(t.Context(), stored(t, "a"))
		require.Equal(t, webhook.InFlight, result.Outcome)
		require.Equal(t, 4500*time.Millisecond, time.Since(start))
	})
}

func TestRedeliver_GetsFullTimeAfterWaiting(t *testing.T) {
	var left time.Duration
	first := true
	redelivering(t, func(ctx context.Context, _ *Ping) error {
		if first {
			first = false
			time.Sleep(4 * time.Second)
			return errCallback
		}
		end, _ := ctx.Deadline()
		left = time.Until(end)
		return nil
	}, func(t *testing.T, r *receiver) {
		deliverConcurrently(t, r)
		require.Equal(t, webhook.Handled, r.Redeliver(t.Context(), stored(t, "a")).Outcome)
		require.Equal(t, webhook.DefaultCallbackTimeout, left)
	})
}
