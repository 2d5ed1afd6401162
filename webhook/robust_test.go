package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A wrongStore is a memory store that once returns a wrong claim.
type wrongStore struct {
	idempotency.Store
	claim *idempotency.Claim
	retry bool // return a wrong claim each time
}

func (s *wrongStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	claim, err := s.Store.Claim(ctx, key, token, lease)
	if wrong := s.claim; wrong != nil {
		if !s.retry {
			s.claim = nil
		}
		return *wrong, nil
	}
	return claim, err
}

func TestStore_WrongStateCostsNoSlot(t *testing.T) {
	for name, wrong := range map[string]idempotency.Claim{
		"none":                {},
		"another":             {State: 9, Attempt: 3},
		"the last":            {State: math.MaxUint8},
		"one with a duration": {Remaining: time.Hour},
	} {
		for _, open := range []bool{false, true} {
			t.Run(fmt.Sprint(name, open), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := &wrongStore{Store: memory(t, 24*time.Hour), claim: &wrong}
					r := newReceiver(t, webhook.Options{Store: store, MaxRunning: 1, DangerouslyFailOpen: open})
					runs := 0
					ping.On(r.Handler, func(context.Context, *Ping) error { runs++; return nil })
					result := r.process(body("a"))
					if open {
						require.Equal(t, webhook.Handled, result.Outcome)
						require.True(t, r.observations()[0].FailedOpen)
					} else {
						require.Equal(t, webhook.Unavailable, result.Outcome)
						require.Equal(t, webhook.ReasonStore, result.Reason)
						require.ErrorContains(t, result.Err, fmt.Sprintf("Claim returned State %d", wrong.State))
					}
					require.NoError(t, r.Shutdown(t.Context()), "the claim must be released")
					require.Equal(t, "released", r.keyState("a"))
				})
				synctest.Test(t, func(t *testing.T) {
					store := &wrongStore{Store: memory(t, 24*time.Hour), claim: &wrong}
					r := newReceiver(t, webhook.Options{Store: store, MaxRunning: 1, DangerouslyFailOpen: open})
					ping.On(r.Handler, returns(nil))
					r.process(body("a"))
					synctest.Wait()
					require.Equal(t, webhook.Handled, r.process(body("b")).Outcome, "the slot must be free")
				})
			})
		}
	}
}

// The first attempt has the number 1, even if the store counts wrong.
func TestStore_WrongAttemptIsTheFirst(t *testing.T) {
	for _, attempt := range []int{0, -7, math.MinInt} {
		store := &wrongStore{Store: memory(t, 24*time.Hour), claim: &idempotency.Claim{State: idempotency.Acquired, Attempt: attempt}}
		r := newReceiver(t, webhook.Options{Store: store})
		ping.On(r.Handler, returns(nil))
		require.Equal(t, 1, r.process(body("a")).Delivery.Attempt)
	}
}

// A decoder that ends its goroutine, like t.FailNow, ends only the goroutine of its request.
func TestDecode_GoexitCostsNoSlot(t *testing.T) {
	exit := func(data []byte, v any) error {
		var e struct{ N int }
		if _ = json.Unmarshal(data, &e); e.N == 7 {
			runtime.Goexit()
		}
		return json.Unmarshal(data, v)
	}
	for name, process := range map[string]func(r *receiver, b []byte){
		"Process": func(r *receiver, b []byte) { r.process(b) },
		"Redeliver": func(r *receiver, b []byte) {
			r.Redeliver(r.t.Context(), &webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: "a", Keys: []string{keyOf("a")}, Body: b})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{Unmarshal: exit, MaxRunning: 1})
				runs := 0
				ping.On(r.Handler, func(context.Context, *Ping) error { runs++; return nil })
				for range 3 {
					go process(r, body("a"))
					synctest.Wait()
				}
				require.Zero(t, runs)
				require.Len(t, r.observations(), 3)
				for _, o := range r.observations() {
					require.Equal(t, webhook.ReasonPanic, o.Reason)
					require.ErrorContains(t, o.Err, "runtime.Goexit")
				}
				good := named(`"ping"`, `"b"`)
				require.Equal(t, webhook.Handled, r.process(good).Outcome, "the slot must be free")
				require.NoError(t, r.Shutdown(t.Context()))
				require.Equal(t, "released", r.keyState("a"))
			})
		})
	}
}

// With a DedupKey the event is decoded before the handler takes a slot.
func TestDecode_BlocksNothingOnGoexitWithKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{
			MaxRunning: 1, MaxBody: 1 << 10, ReadBudget: webhook.NewReadBudget(64 << 10), // enough for four bodies
			Unmarshal: func([]byte, any) error { runtime.Goexit(); return nil },
		}, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.DedupKey = func(any) string { return "k" } })
		ping.On(r.Handler, returns(nil))
		for range 5 {
			go r.process(body("a"))
			synctest.Wait()
		}
		unhandled := named(`"pong"`, `"b"`)
		require.Equal(t, webhook.Unhandled, r.process(unhandled).Outcome)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// The maximum duration is a year, because sums of longer ones could overflow.
func TestOptions_DurationsAreBounded(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 9*time.Second, math.MaxInt64 / 2, year + 1} {
		for name, o := range map[string]webhook.Options{
			"CallbackTimeout": {CallbackTimeout: d}, "StoreTimeout": {StoreTimeout: d}, "BodyTimeout": {BodyTimeout: d}, "ResponseTimeout": {ResponseTimeout: d},
		} {
			_, err := newHandler(&o)
			require.EqualError(t, err, fmt.Sprintf("webhook: Options.%s (%v) must be at most 8760h0m0s", name, d))
		}
		for _, change := range []func(*vendors.Profile, *vendors.HandlerConfig){
			func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = d },
			func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.Window = d },
		} {
			_, err := newHandler(nil, change)
			require.EqualError(t, err, fmt.Sprintf("webhook: Config.Window (%v) must be at most 8760h0m0s", d))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{CallbackTimeout: year, StoreTimeout: year, BodyTimeout: year, Store: memory(t, 3*year)},
			func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = year })
		ping.On(r.Handler, returns(nil))
		require.Equal(t, webhook.Handled, r.process(body("a")).Outcome)
	})
	_, err := newHandler(&webhook.Options{Store: memory(t, year)}, func(_ *vendors.Profile, e *vendors.HandlerConfig) { e.Window = year })
	require.ErrorContains(t, err, "its retention must not be shorter")
}

// The sender need not know that the store failed after the callback, but the log must.
func TestResult_HasTheErrorOfTheStore(t *testing.T) {
	errStore := errors.New("store down")
	for name, c := range map[string]struct {
		store    *brokenStore
		callback error
		outcome  webhook.Outcome
	}{
		"completing": {&brokenStore{completeErr: errStore, recovers: time.Second}, nil, webhook.Handled},
		"releasing":  {&brokenStore{releaseErr: errStore, recovers: time.Second}, errCallback, webhook.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{Store: c.store})
				ping.On(r.Handler, returns(c.callback))
				result := r.process(body("a"))
				require.Equal(t, c.outcome, result.Outcome)
				require.ErrorIs(t, result.Err, errStore)
				if c.callback != nil {
					require.ErrorIs(t, result.Err, c.callback)
				}
				require.NoError(t, r.Shutdown(t.Context()))
			})
		})
	}
}

func TestResult_HasTheErrorOfTheDecoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{StrictFields: true})
		ping.On(r.Handler, returns(nil))
		result := r.process([]byte(fmt.Sprintf(`{"type":"ping","id":"a","time":%d,"data":{"n":"many"}}`, time.Now().Unix())))
		require.Equal(t, webhook.ReasonUndecodable, result.Reason)
		var typed *json.UnmarshalTypeError
		require.ErrorAs(t, result.Err, &typed)
	})
}

func TestSetKeys_RefusesABlankSecret(t *testing.T) {
	r := newReceiver(t, webhook.Options{})
	require.ErrorContains(t, r.SetKeys(signature.NewKey("default", " ")), "acme: SetKeys: ")
}

// TestCallback_KeptDeliveryDoesNotKeepRun is for callbacks that collect deliveries. The run has the context of the request.
func TestCallback_KeptDeliveryDoesNotKeepRun(t *testing.T) {
	type key struct{}
	r := newReceiver(t, webhook.Options{})
	var kept []*webhook.Delivery
	ping.On(r.Handler, func(_ context.Context, e *Ping) error {
		kept = append(kept, e.Delivery())
		return nil
	})
	value := func() weak.Pointer[[1 << 20]byte] {
		value := new([1 << 20]byte)
		r.Process(context.WithValue(t.Context(), key{}, value), r.request(body("a")))
		return weak.Make(value)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return value.Value() == nil
	}, kit.Patience, 10*time.Millisecond)
	require.Len(t, kept, 1)
}
