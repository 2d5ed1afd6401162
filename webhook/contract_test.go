package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

var errCallback = errors.New("text of the callback's error")

// A contractCase causes the result of one row of the contract.
type contractCase struct {
	options func(o *webhook.Options)
	change  func(*vendors.Profile, *vendors.HandlerConfig)
	// callback is registered for pings, unless it is nil.
	callback func(ctx context.Context, e *Ping) error
	// before runs before the delivery is sent.
	before func(t *testing.T, r *receiver)
	// request returns the request. The default is a signed ping with the id "a".
	request func(t *testing.T, r *receiver) *http.Request
	// after runs after the response, and before the key is checked.
	after func(t *testing.T, r *receiver)
	// key is the key's state in the contract, if keyState cannot return that text.
	key string
	// body is the body of the response, if it is not the usual one of the status.
	body string
}

func returns(err error) func(context.Context, *Ping) error {
	return func(context.Context, *Ping) error { return err }
}

func deadLetters(o *webhook.Options) {
	o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { return nil }
}

func rawRequest(change func(*http.Request)) func(*testing.T, *receiver) *http.Request {
	return func(t *testing.T, r *receiver) *http.Request {
		request := r.signed(body("a"))
		change(request)
		return request
	}
}

func signed(body func() []byte) func(*testing.T, *receiver) *http.Request {
	return func(t *testing.T, r *receiver) *http.Request {
		request := r.signed(body())
		return request
	}
}

// failTwice fails two attempts, so that the next is Acme's last.
func failTwice(t *testing.T, r *receiver) {
	for range 2 {
		r.deliver(body("a"))
		time.Sleep(time.Minute)
	}
}

func slow(ctx context.Context, _ *Ping) error {
	time.Sleep(20 * time.Second)
	return nil
}

func deliverConcurrently(_ *testing.T, r *receiver) {
	go r.deliver(body("a"))
	synctest.Wait()
}

var contractCases = map[string]contractCase{
	"the callback returned nil": {callback: returns(nil)},
	"stored in the inbox, new or already there": {
		options: func(o *webhook.Options) {
			o.Inbox = inboxFunc(func(context.Context, *webhook.Delivery) (bool, error) { return true, nil })
		},
		callback: returns(errCallback),
		key:      "the inbox's",
	},
	"duplicate of a completed key": {
		callback: returns(nil),
		before:   func(_ *testing.T, r *receiver) { r.deliver(body("a")) },
		key:      "stays",
		body:     `{"received":true,"duplicate":true}`,
	},
	"duplicate while the first copy runs, also after waiting for it": {
		callback: slow,
		before: func(t *testing.T, r *receiver) {
			deliverConcurrently(t, r)
			time.Sleep(time.Second) // so that the responses are due at different times
		},
		key: "stays",
	},
	"the callback returned an error": {callback: returns(errCallback)},
	"the callback returned an error after CompleteTx committed": {
		callback: func(ctx context.Context, _ *Ping) error {
			claims, ok := idempotency.ClaimsFromContext(ctx)
			if !ok {
				return errors.New("no claims")
			}
			for _, key := range claims.Keys { // like CompleteTx
				if err := claims.Store.Complete(ctx, key, claims.Token); err != nil {
					return err
				}
			}
			return errCallback
		},
		key: "stays completed",
	},
	"the callback returned RetryAfter": {callback: returns(webhook.RetryAfter(1500*time.Millisecond, errCallback))},
	"the callback returned Permanent": {
		options:  deadLetters,
		callback: returns(webhook.Permanent(errCallback)),
	},
	"the callback returned Permanent, no DeadLetter": {callback: returns(webhook.Permanent(errCallback))},
	"the callback returned Ignore":                   {callback: returns(webhook.Ignore("not ours"))},
	"the callback panicked, or ended its goroutine": {
		callback: func(context.Context, *Ping) error { runtime.Goexit(); return nil },
	},
	"still running when the response was due": {callback: slow},
	"the same on an attempt whose failure disables the endpoint": {
		callback: func(_ context.Context, e *Ping) error {
			if e.Delivery().Attempt < 3 {
				return errCallback
			}
			return slow(nil, nil) //nolint:staticcheck // it does not look at them
		},
		before: failTwice,
	},
	"the callback returned nil, and completing the key failed":    completingFails(nil),
	"the callback returned Ignore, and completing the key failed": completingFails(webhook.Ignore("not ours")),
	"still failing on the vendor's last attempt": {
		options: deadLetters, callback: returns(errCallback), before: failTwice,
	},
	"still failing on the last attempt, no DeadLetter, and a failure disables the endpoint": {
		callback: returns(errCallback), before: failTwice,
	},
	"DeadLetter failed": {
		options: func(o *webhook.Options) {
			o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { panic("DeadLetter panicked") }
		},
		callback: returns(webhook.Permanent(errCallback)),
	},
	"no callback for the type, or an unknown type": {},
	"the same, after Before": {before: func(_ *testing.T, r *receiver) {
		r.Before(func(context.Context, *webhook.Delivery) error { return nil })
	}},
	"the body does not fit the type of its callback": {
		options: deadLetters, callback: returns(nil), request: signed(misfit),
	},
	"the body does not fit the type of its callback, no DeadLetter": {callback: returns(nil), request: signed(misfit)},
	"authentic, but not a JSON object, or without the time it needs": {
		callback: returns(nil), request: signed(func() []byte { return []byte(`["ping"]`) }),
	},
	"authentic, but dated in the future past the skew": {
		callback: returns(nil), request: signed(func() []byte { return bodyAt("a", time.Now().Add(5*time.Minute+time.Second)) }),
	},
	"authentic, but stale": {
		callback: returns(nil), request: signed(func() []byte { return bodyAt("a", time.Now().Add(-time.Hour-time.Second)) }),
	},
	"no or bad signature, bad token, bad header": {
		callback: returns(nil), request: rawRequest(func(q *http.Request) { q.Header.Del("X-Acme-Signature") }),
	},
	"body too slow or cut off": {
		callback: returns(nil), request: rawRequest(func(q *http.Request) {
			q.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), stuck{}))
		}),
	},
	"store, inbox or Authenticator unavailable, full, or too slow": {
		options: func(o *webhook.Options) {
			o.Store = &brokenStore{claimErr: errors.New("store down"), recovers: time.Second}
		},
		callback: returns(nil),
		after:    func(*testing.T, *receiver) { time.Sleep(time.Minute) },
	},
	"after Shutdown": {
		callback: returns(nil),
		before:   func(t *testing.T, r *receiver) { require.NoError(t, r.Shutdown(t.Context())) },
	},
	"too many bodies being read, callbacks running, or deliveries a second": {
		options:  func(o *webhook.Options) { o.RateLimit, o.RateBurst = 1e-3, 1 },
		callback: returns(nil),
		before:   func(_ *testing.T, r *receiver) { r.deliver(body("b")) },
	},
	"body larger than MaxBody, declared or found": {
		options:  func(o *webhook.Options) { o.MaxBody = 10 },
		callback: returns(nil),
	},
	"a real Content-Encoding, such as gzip": {
		callback: returns(nil), request: rawRequest(func(q *http.Request) { q.Header.Set("Content-Encoding", "gzip") }),
	},
	"HEAD or GET, with Options.RespondToGET": {
		options:  func(o *webhook.Options) { o.RespondToGET = true },
		callback: returns(nil), request: rawRequest(func(q *http.Request) { q.Method = http.MethodGet }),
	},
	"a method other than POST": {
		callback: returns(nil), request: rawRequest(func(q *http.Request) { q.Method = http.MethodPut }),
	},
}

// completingFails is a case in which the callback returns err, and the store is down when the handler completes the key.
func completingFails(err error) contractCase {
	return contractCase{
		options: func(o *webhook.Options) {
			o.Store = &brokenStore{completeErr: errors.New("store down"), recovers: 3 * time.Second}
		},
		callback: returns(err),
		key:      "in flight, then completed",
		after: func(t *testing.T, r *receiver) {
			claim, err := r.store.Claim(t.Context(), keyOf("a"), idempotency.NewToken(), time.Second)
			require.NoError(t, err)
			require.Equal(t, idempotency.InFlight, claim.State)
			time.Sleep(10 * time.Second)
			require.Equal(t, "completed", r.keyState("a"))
		},
	}
}

// misfit returns a ping whose data is not an object, so that no field can be left out.
func misfit() []byte {
	return bytes.Replace(body("a"), []byte(`{"n":7}`), []byte(`"seven"`), 1)
}

// stuck is a body whose Read blocks.
type stuck struct{}

func (stuck) Read([]byte) (int, error) {
	time.Sleep(time.Hour)
	return 0, io.EOF
}

func TestContract(t *testing.T) {
	rows := webhook.Contract()
	require.Len(t, contractCases, len(rows), "every row must have one case")
	for _, method := range []string{"ServeHTTP", "Process"} {
		for _, row := range rows {
			t.Run(method+"/"+row.What, func(t *testing.T) {
				c, ok := contractCases[row.What]
				require.True(t, ok, "no case for the row %q", row.What)
				synctest.Test(t, func(t *testing.T) { c.check(t, row, method == "ServeHTTP") })
			})
		}
	}
}

func (c *contractCase) check(t *testing.T, row webhook.ContractRow, onSocket bool) {
	var o webhook.Options
	if c.options != nil {
		c.options(&o)
	}
	var change []func(*vendors.Profile, *vendors.HandlerConfig)
	if c.change != nil {
		change = append(change, c.change)
	}
	r := newReceiver(t, o, change...)
	r.onSocket = onSocket
	if c.callback != nil {
		ping.On(r.Handler, c.callback)
	}
	if c.before != nil {
		c.before(t, r)
	}
	request := signed(func() []byte { return body("a") })
	if c.request != nil {
		request = c.request
	}
	earlier := len(r.observations())
	arrived := time.Now()
	got := r.send(request(t, r))

	require.LessOrEqual(t, time.Since(arrived), 4500*time.Millisecond, "the response must be in time")
	require.Equal(t, row.Status, got.status)
	if slices.Contains(row.Reasons, webhook.ReasonEndpointCheck) {
		require.Empty(t, got.header.Get("Content-Type"))
	} else {
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.True(t, json.Valid([]byte(got.body)))
	}
	switch {
	case slices.Contains(row.Reasons, webhook.ReasonEndpointCheck):
		require.Empty(t, got.body)
	case c.body != "":
		require.Equal(t, c.body, got.body)
	case row.Status == http.StatusOK:
		require.Equal(t, `{"received":true}`, got.body)
	default:
		require.Equal(t, `{"received":false}`, got.body, "the response must not have an error's text")
	}
	if row.RetryAfter {
		require.InDelta(t, 1800, retryAfter(t, got), 1800, "Retry-After must be between a second and an hour")
		require.Positive(t, retryAfter(t, got))
	} else {
		require.Empty(t, got.header.Get("Retry-After"))
	}
	if row.Status == http.StatusMethodNotAllowed {
		require.Equal(t, "POST", got.header.Get("Allow"))
	}
	seen := r.observations()[earlier:]
	own := seen[len(seen)-1]
	require.Equal(t, row.Outcome, own.Outcome, "the outcome, with the error %v", own.Err)
	if len(row.Reasons) > 0 {
		require.Contains(t, row.Reasons, own.Reason)
	}
	require.Equal(t, row.Status, own.Status)
	if c.after != nil {
		c.after(t, r)
	}
	if c.key == "" {
		require.Equal(t, row.Key, r.keyState("a"), "the state of the key")
	} else {
		require.Equal(t, row.Key, c.key, "the key of the case must be that of the contract")
		if strings.HasPrefix(row.Key, "stays") && row.Outcome != webhook.InFlight {
			require.Equal(t, "completed", r.keyState("a"))
		}
	}
	time.Sleep(time.Hour) // until all callbacks have ended
	require.NotContains(t, r.log.String(), acmeSecret)
}
