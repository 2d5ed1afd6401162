package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// sendBy sends a ping through h, with a request context that ends after the timeout. Zero means no timeout.
func sendBy(t *testing.T, r *receiver, h http.Handler, timeout time.Duration) reply {
	ctx := t.Context()
	if timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	w, start := httptest.NewRecorder(), time.Now()
	h.ServeHTTP(w, r.signed(body("a")).WithContext(ctx))
	return reply{httpResponse{w.Code, w.Header(), w.Body.String()}, time.Since(start)}
}

func TestDeadline_RespondsBeforeTimeoutHandler(t *testing.T) {
	for _, timeout := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 3 * time.Second} {
		for range 20 {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, inTurn(2*timeout))
				got := sendBy(t, r, http.TimeoutHandler(r, timeout, "<html>too late</html>"), 0)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.JSONEq(t, `{"received":false}`, got.body)
				require.Positive(t, retryAfter(t, got.httpResponse))
				require.Equal(t, http.StatusServiceUnavailable, r.observations()[0].Status)
				time.Sleep(time.Minute)
				require.Equal(t, "completed", r.keyState("a"))
			})
		}
	}
}

// On the vendor's last attempt, the middleware's 503 would disable the endpoint.
func TestDeadline_Responds200OnLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, inTurn(200*time.Millisecond, errCallback, errCallback, nil))
		for range 2 {
			require.Equal(t, http.StatusInternalServerError, sendBy(t, r, r, 0).status)
			time.Sleep(time.Minute)
		}
		got := sendBy(t, r, http.TimeoutHandler(r, 100*time.Millisecond, ""), 0)
		require.Equal(t, http.StatusOK, got.status)
		seen := r.observations()[2]
		require.Equal(t, webhook.ReasonOverrunLast, seen.Reason)
		require.Equal(t, http.StatusOK, seen.Status)
		time.Sleep(time.Minute)
	})
}

func TestDeadline_LeavesAMargin(t *testing.T) {
	for timeout, after := range map[time.Duration]time.Duration{
		100 * time.Millisecond:  75 * time.Millisecond,
		time.Second:             750 * time.Millisecond,
		3 * time.Second:         2500 * time.Millisecond,
		4900 * time.Millisecond: 4400 * time.Millisecond,
		5 * time.Second:         4500 * time.Millisecond,
		time.Hour:               4500 * time.Millisecond,
	} {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, inTurn(10*time.Second))
				got := sendBy(t, r, r, timeout)
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.Equal(t, after, got.after)
				time.Sleep(time.Minute)
			})
		})
	}
}

// The steps before the callback leave the same margin.
func TestDeadline_BoundsEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		options webhook.Options
		body    io.Reader
		reason  webhook.Reason
	}{
		"body":  {body: io.MultiReader(stuck{}), reason: webhook.ReasonSlow},
		"store": {options: webhook.Options{Store: &brokenStore{claimHangs: 30 * time.Second, recovers: time.Hour}}, reason: webhook.ReasonStore},
		"inbox": {options: webhook.Options{Inbox: inboxFunc(func(ctx context.Context, _ *webhook.Delivery) (bool, error) {
			time.Sleep(30 * time.Second)
			return false, nil
		})}, reason: webhook.ReasonInbox},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, c.options)
				ping.On(r.Handler, returns(nil))
				slow := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					if c.body != nil {
						q.Body = io.NopCloser(c.body)
					}
					r.ServeHTTP(w, q)
				})
				got := sendBy(t, r, http.TimeoutHandler(slow, 100*time.Millisecond, ""), 0)
				require.JSONEq(t, `{"received":false}`, got.body)
				require.Equal(t, 75*time.Millisecond, got.after)
				require.Equal(t, c.reason, r.observations()[0].Reason)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// AWS's runtime has passed contexts that ended in 1970.
func TestDeadline_BeforeArrivalIsNone(t *testing.T) {
	for _, way := range []string{"ServeHTTP", "Process"} {
		for _, ago := range []time.Duration{0, time.Nanosecond, time.Minute, 50 * 365 * 24 * time.Hour} {
			t.Run(fmt.Sprint(way, ago), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newReceiver(t, webhook.Options{})
					r.onSocket = way == "ServeHTTP"
					ping.On(r.Handler, inTurn(time.Second))
					ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-ago))
					defer cancel()
					require.Equal(t, http.StatusOK, r.send(r.signed(body("a")).WithContext(ctx)).status)
					require.Equal(t, http.StatusOK, r.observations()[0].Status, "the sender gets the response")
				})
			})
		}
	}
}

// If the response is late nevertheless, the observation must not have a status that the sender did not get.
func TestDeadline_MissedIsObservedWithoutStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
			p.DedupKeys = func(a *vendors.Authenticated) vendors.DedupKeys {
				time.Sleep(time.Second)
				return vendors.ByEventID(a)
			}
		})
		ping.On(r.Handler, returns(nil))
		got := sendBy(t, r, http.TimeoutHandler(r, 100*time.Millisecond, "<html>too late</html>"), 0)
		require.Equal(t, "<html>too late</html>", got.body)
		time.Sleep(time.Minute)
		require.Zero(t, r.observations()[0].Status)
		require.Equal(t, 0, r.log.Count(`"status"`), "the line must not have a status")
	})
}

func TestHangUp_IsObservedWithoutStatus(t *testing.T) {
	for _, way := range []string{"ServeHTTP", "Process"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				r.onSocket = way == "ServeHTTP"
				ping.On(r.Handler, inTurn(time.Second))
				ctx, hangUp := context.WithCancel(t.Context())
				done := sendAsync(r, ctx, "a")
				hangUp()
				<-done
				seen := r.observations()
				require.Len(t, seen, 1)
				require.Equal(t, webhook.Handled, seen[0].Outcome)
				require.Zero(t, seen[0].Status)
			})
		})
	}
}
