package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// touched is a store and an inbox that records calls.
type touched struct{ t *testing.T }

func (s *touched) called(what string) error {
	s.t.Errorf("%s was called for a delivery that is not authentic", what)
	return errors.New("it must not be called")
}

func (s *touched) Claim(context.Context, string, idempotency.Token, time.Duration) (idempotency.Claim, error) {
	return idempotency.Claim{}, s.called("Store.Claim")
}

func (s *touched) Complete(context.Context, string, idempotency.Token) error {
	return s.called("Store.Complete")
}

func (s *touched) Release(context.Context, string, idempotency.Token) error {
	return s.called("Store.Release")
}

func (s *touched) Retention() time.Duration { return 24 * time.Hour }

func (s *touched) Enqueue(context.Context, *webhook.Delivery) (bool, error) {
	return false, s.called("Inbox.Enqueue")
}

func (s *touched) Store() idempotency.Store { return s }

func (s *touched) CheckHandler(string, string, int64) error { return nil }

// A request that is not authentic reaches only the observer and the log. It must not reach the store, the inbox, the decoder,
// DedupKey or Before.
func TestForged_CallsNothing(t *testing.T) {
	forgeries := map[string]func(*http.Request){
		"no signature":      func(q *http.Request) { q.Header.Del("X-Acme-Signature") },
		"an empty one":      func(q *http.Request) { q.Header.Set("X-Acme-Signature", "") },
		"a wrong one":       func(q *http.Request) { q.Header.Set("X-Acme-Signature", strings.Repeat("0", 64)) },
		"half of it":        func(q *http.Request) { q.Header.Set("X-Acme-Signature", q.Header.Get("X-Acme-Signature")[:32]) },
		"the header twice":  func(q *http.Request) { q.Header.Add("X-Acme-Signature", q.Header.Get("X-Acme-Signature")) },
		"another header":    func(q *http.Request) { q.Header.Set("X-Acme-Signature", "sha256="+q.Header.Get("X-Acme-Signature")) },
		"a tampered body":   func(q *http.Request) { q.Body, q.ContentLength = http.NoBody, 0 },
		"too large a body":  func(q *http.Request) { q.ContentLength = webhook.DefaultMaxBody + 1 },
		"an encoded body":   func(q *http.Request) { q.Header.Set("Content-Encoding", "gzip") },
		"a method like PUT": func(q *http.Request) { q.Method = http.MethodPut },
	}
	for name, forge := range forgeries {
		for _, inbox := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, inbox %t", name, inbox), func(t *testing.T) {
				nothing := &touched{t}
				o := webhook.Options{
					Store:               nothing,
					DangerouslyFailOpen: true,
					Unmarshal:           func([]byte, any) error { return nothing.called("Options.Unmarshal") },
				}
				if inbox {
					o.Inbox = nothing
				} else {
					o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { return nothing.called("Options.DeadLetter") }
				}
				r := newReceiver(t, o, func(p *vendors.Profile, e *vendors.HandlerConfig) {
					p.DedupKeys = func(a *vendors.Authenticated) vendors.DedupKeys {
						_ = nothing.called("Profile.DedupKeys")
						return vendors.ByEventID(a)
					}
					e.DedupKey = func(any) string { return nothing.called("Config.Key").Error() }
				})
				ping.On(r.Handler, func(context.Context, *Ping) error { return nothing.called("the callback") })
				r.Before(func(context.Context, *webhook.Delivery) error { return nothing.called("Before") })
				r.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nothing.called("OnUnhandled") })
				for _, onSocket := range []bool{false, true} {
					r.onSocket = onSocket
					for _, b := range [][]byte{body("a"), []byte(`{"type":"strange"}`), []byte("no JSON")} {
						request := r.signed(b)
						forge(request)
						require.GreaterOrEqual(t, r.send(request).status, 400)
					}
				}
				require.Len(t, r.observations(), 6)
			})
		}
	}
}

// Checks that the test above can fail: an authentic delivery reaches the user's code.
func TestForged_GenuineDeliveryIsNot(t *testing.T) {
	calls := 0
	r := newReceiver(t, webhook.Options{Unmarshal: func([]byte, any) error { calls++; return nil }})
	ping.On(r.Handler, func(context.Context, *Ping) error { calls++; return nil })
	require.Equal(t, 200, r.deliver(body("a")).status)
	require.Equal(t, 2, calls)
}

func TestOnAny_ErrorSkipsTypedCallback(t *testing.T) {
	for name, c := range map[string]struct {
		fn   func(context.Context, *webhook.Delivery) error
		want webhook.Outcome
	}{
		"an error":    {func(context.Context, *webhook.Delivery) error { return errCallback }, webhook.Failed},
		"retry later": {func(context.Context, *webhook.Delivery) error { return webhook.RetryAfter(time.Minute, nil) }, retryLater},
		"permanent":   {func(context.Context, *webhook.Delivery) error { return webhook.Permanent(errCallback) }, webhook.Dropped},
		"a panic":     {func(context.Context, *webhook.Delivery) error { panic("an audit that fails") }, panicked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				fails, ran := true, 0
				r.Before(func(ctx context.Context, d *webhook.Delivery) error {
					if fails {
						return c.fn(ctx, d)
					}
					return nil
				})
				ping.On(r.Handler, func(context.Context, *Ping) error { ran++; return nil })
				result := r.process(body("a"))
				require.Equal(t, c.want, as(c.want, result.Outcome, result.Reason))
				require.Zero(t, ran)
				fails = false
				require.Equal(t, webhook.Handled, r.process(body("b")).Outcome)
				require.Equal(t, 1, ran)
			})
		})
	}
}

// statusError has a status, like the errors of HTTP clients and frameworks.
type statusError int

func (e statusError) Error() string       { return http.StatusText(int(e)) }
func (e statusError) StatusCode() int     { return int(e) }
func (e statusError) Status() int         { return int(e) }
func (e statusError) HTTPStatusCode() int { return int(e) }
func (e statusError) Code() int           { return int(e) }

// A status in a callback's error belongs to another request.
func TestStatus_OfACallbacksErrorIsIgnored(t *testing.T) {
	for name, err := range map[string]error{
		"410":                  statusError(http.StatusGone),
		"404, wrapped":         fmt.Errorf("looking it up: %w", statusError(http.StatusNotFound)),
		"200":                  statusError(http.StatusOK),
		"413, joined":          errors.Join(errCallback, statusError(http.StatusRequestEntityTooLarge)),
		"MaxBytesError":        &http.MaxBytesError{Limit: 10},
		"MaxBytesError inside": fmt.Errorf("reading the response: %w", &http.MaxBytesError{Limit: 10}),
		"ErrHandlerTimeout":    http.ErrHandlerTimeout,
		"ErrAbortHandler":      http.ErrAbortHandler,
		"a canceled context":   context.Canceled,
	} {
		t.Run(name, func(t *testing.T) {
			for _, onSocket := range []bool{false, true} {
				r := newReceiver(t, webhook.Options{})
				r.onSocket = onSocket
				ping.On(r.Handler, returns(err))
				got := r.deliver(body("a"))
				require.Equal(t, http.StatusInternalServerError, got.status)
				require.Equal(t, `{"received":false}`, got.body)
				require.Equal(t, webhook.Failed, r.observations()[0].Outcome)
				require.Equal(t, "released", r.keyState("a"))
			}
		})
	}
}

func TestContentType_IsIgnored(t *testing.T) {
	for _, contentType := range []string{
		"text/html", "text/html; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", "",
	} {
		for _, onSocket := range []bool{false, true} {
			r := newReceiver(t, webhook.Options{})
			r.onSocket = onSocket
			ping.On(r.Handler, returns(nil))
			request := r.signed(body("a"))
			request.Header["Content-Type"] = []string{contentType}
			require.Equal(t, http.StatusOK, r.send(request).status, contentType)
			request = r.signed(body("b"))
			request.Header.Del("Content-Type")
			require.Equal(t, http.StatusOK, r.send(request).status)
			require.Equal(t, webhook.Handled, r.observations()[1].Outcome)
		}
	}
}

// Before, the observer, the logger and a failing Options.DeadLetter cannot turn a failure into a success.
func TestHooks_CannotEraseAFailure(t *testing.T) {
	for name, o := range map[string]webhook.Options{
		"an observer":          {Observer: func(context.Context, webhook.Observation) {}},
		"a panicking observer": {Observer: func(context.Context, webhook.Observation) { panic("observer panicked") }},
		"a failing dead letter": {
			DeadLetter: func(context.Context, *webhook.Delivery, error) error { return errors.New("no room") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, o)
			r.Before(func(context.Context, *webhook.Delivery) error { return nil })
			r.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
			ping.On(r.Handler, returns(errCallback))
			result := r.process(body("a"))
			require.Equal(t, webhook.Failed, result.Outcome)
			require.Equal(t, http.StatusInternalServerError, result.Status)
			require.ErrorIs(t, result.Err, errCallback)
			require.Equal(t, "released", r.keyState("a"))
		})
	}
}

// After a failed Enqueue the vendor's next attempt is stored, and does not count as a duplicate.
func TestInbox_FailedEnqueueConsumesNothing(t *testing.T) {
	for name, failure := range map[string]error{"broken": errCallback, "full": webhook.ErrInboxFull, "canceled": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			fails := true
			r := newReceiver(t, webhook.Options{Inbox: inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) {
				if fails {
					return false, failure
				}
				return false, nil
			})})
			b := body("a")
			require.Equal(t, http.StatusServiceUnavailable, r.process(b).Status)
			require.Zero(t, r.store.(*idempotency.Memory).Len())
			fails = false
			result := r.process(b)
			require.Equal(t, webhook.Stored, result.Outcome)
			require.Equal(t, webhook.ReasonNone, result.Reason)
		})
	}
}

// Completed deliveries stay completed after SetKeys, and in a new handler with the same store.
func TestSetKeys_KeepsReplayProtection(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	b := body("a")
	require.Equal(t, webhook.Handled, r.process(b).Outcome)
	for _, keys := range [][]signature.Key{
		{signature.NewKey("new", "another-secret-of-acme"), signature.NewKey("default", acmeSecret)},
		{signature.NewKey("renamed", acmeSecret)},
	} {
		require.NoError(t, r.SetKeys(keys...))
		require.Equal(t, webhook.Duplicate, r.process(b).Outcome)
	}
	reloaded := newReceiver(t, webhook.Options{Store: r.store})
	ping.On(reloaded.Handler, returns(errCallback))
	require.Equal(t, webhook.Duplicate, reloaded.process(b).Outcome)
}
