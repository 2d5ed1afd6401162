package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// bringAbout causes the result of a contract row in a bubble, and waits for running callbacks.
func (c *contractCase) bringAbout(t *testing.T, onSocket bool, look func(r *receiver, sent *http.Request, got httpResponse)) {
	synctest.Test(t, func(t *testing.T) {
		var o webhook.Options
		if c.options != nil {
			c.options(&o)
		}
		r := newReceiver(t, o)
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
		sent := request(t, r)
		got := r.send(sent)
		time.Sleep(2 * time.Hour)
		look(r, sent, got)
	})
}

func TestObserver_RunsOncePlusOnceWhenLate(t *testing.T) {
	for what, c := range contractCases {
		t.Run(what, func(t *testing.T) {
			c.bringAbout(t, true, func(r *receiver, _ *http.Request, _ httpResponse) {
				early, late := 0, 0
				for _, o := range r.observations() {
					if o.Late {
						late++
						continue
					}
					early++
					if o.Reason == webhook.ReasonOverrun || o.Reason == webhook.ReasonOverrunLast {
						late--
					}
				}
				require.Zero(t, late, "every overrun must have one late observation")
				require.LessOrEqual(t, len(r.log.Lines()), len(r.observations()), "each observation must have at most one line")
				deliveries := map[string]int{
					"duplicate of a completed key":                                                          2,
					"duplicate while an earlier copy runs, at once or after a wait":                         2,
					"still running on an attempt whose failure disables the endpoint":                       3,
					"still failing on the vendor's last attempt":                                            3,
					"still failing on the last attempt, no DeadLetter, and a failure disables the endpoint": 3,
					"too many bodies being read, callbacks running, or deliveries a second":                 2,
				}
				require.Equal(t, max(1, deliveries[what]), early)
			})
		})
	}
}

func TestObserver_ReceivesEveryField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(context.Context, *Ping) error {
			time.Sleep(time.Second)
			return nil
		})
		b, sent := body("a"), time.Now().UTC()
		r.deliver(b)
		require.Equal(t, webhook.Observation{
			Vendor: "acme", Endpoint: "default", Type: "ping", Outcome: webhook.Handled, SignedBy: "default", Form: "body",
			Status: 200, ID: "a", Time: sent, Attempt: 1, Bytes: len(b), Duration: time.Second,
		}, r.observations()[0])

		r.Process(t.Context(), webhook.Request{Body: strings.NewReader("{}")})
		forged := r.observations()[1]
		require.Error(t, forged.Err)
		forged.Err = nil
		require.Equal(t, webhook.Observation{
			Vendor: "acme", Endpoint: "default", Outcome: webhook.Unauthenticated, Reason: "header_missing", Status: 401, Bytes: 2,
		}, forged, "of a forgery nothing is repeated")
	})
}

// During a rotation it shows which senders still use the old key.
func TestObserver_ReceivesNameOfKey(t *testing.T) {
	const next = "another-secret-of-acme"
	r := newReceiver(t, webhook.Options{})
	ping.On(r.Handler, returns(nil))
	signedBy := func(secret, id string) string {
		sender := r.sender.WithSecret(secret)
		sender.Send(sender.Raw(body(id)))
		seen := r.observations()
		return seen[len(seen)-1].SignedBy
	}
	require.NoError(t, r.SetKeys(signature.NewKey("new", next), signature.NewKey("old", acmeSecret)))
	require.Equal(t, "old", signedBy(acmeSecret, "a"))
	require.Equal(t, "new", signedBy(next, "b"))
	require.Equal(t, 1, r.log.Count(`"signed_by":"old"`))
	require.NoError(t, r.SetKeys(signature.NewKey("new", next)))
	require.Empty(t, signedBy(acmeSecret, "c"))
	require.Equal(t, 1, r.log.Count(`"cause":"key_previous"`, `the previous key \"old\"`))
}

func TestObserver_ReceivesLateOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want webhook.Outcome
	}{
		"handled":  {nil, webhook.Handled},
		"failed":   {errCallback, webhook.Failed},
		"later":    {webhook.RetryAfter(time.Minute, errCallback), retryLater},
		"dropped":  {webhook.Permanent(errCallback), webhook.Dropped},
		"ignored":  {webhook.Ignore("old"), webhook.Ignored},
		"panicked": {nil, panicked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{})
				ping.On(r.Handler, func(context.Context, *Ping) error {
					time.Sleep(10 * time.Second)
					if name == "panicked" {
						panic("late")
					}
					return c.err
				})
				require.Equal(t, 503, r.deliver(body("a")).status)
				time.Sleep(time.Minute)
				seen := r.observations()
				require.Len(t, seen, 2)
				require.Equal(t, webhook.ReasonOverrun, seen[0].Reason)
				require.False(t, seen[0].Late)
				require.Equal(t, 1, r.log.Count(`"late":true`))
				require.Equal(t, 4500*time.Millisecond, seen[0].Duration)
				require.Equal(t, c.want, as(c.want, seen[1].Outcome, seen[1].Reason))
				require.True(t, seen[1].Late)
				require.Zero(t, seen[1].Status)
				require.Equal(t, 10*time.Second, seen[1].Duration)
				require.Equal(t, "a", seen[1].ID)
			})
		})
	}
}

func TestObserver_ReceivesUndocumentedTypeAsOther(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	for i := range 10 {
		strange := bytes.Replace(body(fmt.Sprint(i)), []byte(`"ping"`), fmt.Appendf(nil, `"strange.%d"`, i), 1)
		require.Equal(t, 200, r.deliver(strange).status)
	}
	require.Equal(t, 200, r.deliver(bytes.Replace(body("x"), []byte(`"ping"`), []byte(`"Ping"`), 1)).status)
	require.Equal(t, 200, r.deliver(bytes.Replace(body("y"), []byte(`"ping"`), []byte(`""`), 1)).status)
	for _, o := range r.observations() {
		require.Equal(t, "other", o.Type)
		require.Equal(t, webhook.ReasonUnknownType, o.Reason)
	}
	require.Equal(t, 200, r.deliver(body("z")).status)
	documented := r.observations()[12]
	require.Equal(t, "ping", documented.Type)
	require.Equal(t, webhook.ReasonNoCallback, documented.Reason)
}

func TestObserver_ChangesNothingOnPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Observer: func(context.Context, webhook.Observation) { panic("observer panicked") }})
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			if e.ID == "late" {
				return slow(ctx, e)
			}
			return nil
		})
		require.Equal(t, 200, r.deliver(body("a")).status)
		require.Equal(t, 401, r.Process(t.Context(), webhook.Request{}).Status)
		require.Equal(t, 503, r.deliver(body("late")).status)
		time.Sleep(time.Minute)
		require.Equal(t, "completed", r.keyState("a"))
		require.Equal(t, "completed", r.keyState("late"))
		require.Len(t, r.observations(), 4)
		require.Equal(t, 4, r.log.Count(`"level":"ERROR"`))
		require.Equal(t, 4, strings.Count(r.log.String(), "Options.Observer panicked"))
		require.Contains(t, r.log.String(), "observer panicked")
		require.Contains(t, r.log.String(), "observe_test.go", "with its stack")
	})
}

func TestPanic_ReportsStackToObserverAndLog(t *testing.T) {
	var panicked *webhook.PanicError
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, func(context.Context, *Ping) error {
				if late {
					time.Sleep(10 * time.Second)
				}
				panic(errCallback)
			})
			r.deliver(body("a"))
			time.Sleep(time.Minute)
			seen := r.observations()
			o := seen[len(seen)-1]
			require.Equal(t, webhook.ReasonPanic, o.Reason)
			require.ErrorAs(t, o.Err, &panicked)
			require.ErrorIs(t, o.Err, errCallback)
			require.Contains(t, string(panicked.Stack), "observe_test.go")
			require.NotContains(t, o.Err.Error(), "observe_test.go", "the text of the error must not have the stack")
			require.Equal(t, 1, r.log.Count(`"level":"ERROR"`))
			require.Contains(t, r.log.String(), "observe_test.go")
		})
	}
}

// A hostileError panics in the method with that name.
type hostileError struct{ method string }

func (e *hostileError) panicsIn(method string) {
	if e.method == method {
		panic("a method of the error")
	}
}
func (e *hostileError) Error() string { e.panicsIn("Error"); return "an error" }
func (e *hostileError) Unwrap() error { e.panicsIn("Unwrap"); return nil }
func (e *hostileError) As(any) bool   { e.panicsIn("As"); return false }
func (e *hostileError) Is(error) bool { e.panicsIn("Is"); return false }

func TestPanic_IsRecoveredInErrorMethods(t *testing.T) {
	for name, hostile := range map[string]error{
		"Error": &hostileError{"Error"}, "Unwrap": &hostileError{"Unwrap"}, "As": &hostileError{"As"}, "Is": &hostileError{"Is"},
		"a nil pointer":  (*hostileError)(nil),
		"wrapped":        fmt.Errorf("about to: %w", &hostileError{"Unwrap"}),
		"joined":         errors.Join(errCallback, (*hostileError)(nil)),
		"in RetryAfter":  webhook.RetryAfter(time.Second, (*hostileError)(nil)),
		"nil PanicError": (*webhook.PanicError)(nil),
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %v", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newReceiver(t, webhook.Options{})
					ping.On(r.Handler, func(context.Context, *Ping) error {
						if late {
							time.Sleep(10 * time.Second)
						}
						return hostile
					})
					got := r.deliver(body("a"))
					time.Sleep(time.Minute)
					require.GreaterOrEqual(t, got.status, 500)
					seen := r.observations()
					require.Contains(t, []int{0, 500, 503}, seen[len(seen)-1].Status)
					require.Equal(t, "released", r.keyState("a"))
					require.Len(t, r.log.Lines(), len(seen), "each observation must be logged")
				})
			})
		}
	}
}

func TestObserver_ReceivesLateObservationLast(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, func(context.Context, *Ping) error {
				time.Sleep(4500 * time.Millisecond) // exactly when the response is due
				return errCallback
			})
			r.deliver(body("a"))
			time.Sleep(time.Minute)
			require.False(t, r.observations()[0].Late)
		})
	}
}

func TestResult_GivesCallerItsOwnDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, slow)
		result := r.process(body("a"))
		require.Equal(t, webhook.ReasonOverrun, result.Reason)
		*result.Delivery = webhook.Delivery{ID: "another"} // under the race detector
		time.Sleep(time.Minute)
		require.Equal(t, "a", r.observations()[1].ID)
	})
}

func TestObserver_BlocksNothingOnGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Observer: func(context.Context, webhook.Observation) { runtime.Goexit() }})
		ping.On(r.Handler, slow)
		go r.process(body("a")) // like t.FailNow in an observer: it ends the goroutine of the request
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, 19*time.Second, time.Since(start))
		require.Equal(t, "completed", r.keyState("a"))
	})
}
