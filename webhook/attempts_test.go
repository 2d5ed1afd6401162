package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// byContent makes Acme a vendor without ids, like WorkFlux.
func byContent(p *vendors.Profile, _ *vendors.HandlerConfig) { p.DedupKeys = vendors.ByContent }

func TestAttempts_BurstIsOneAttempt(t *testing.T) {
	for name, change := range map[string]func(*vendors.Profile, *vendors.HandlerConfig){
		"named by id":      func(*vendors.Profile, *vendors.HandlerConfig) {},
		"named by content": byContent,
	} {
		for _, o := range []webhook.Options{{}, {DeadLetter: mustNotDeadLetter(t)}} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newReceiver(t, o, change)
					ping.On(r.Handler, returns(errCallback))
					b := body("a")
					for range 10 {
						require.Equal(t, webhook.Failed, r.process(b).Outcome)
						time.Sleep(50 * time.Millisecond)
					}
				})
			})
		}
	}
}

// mustNotDeadLetter returns an Options.DeadLetter that must not be called.
func mustNotDeadLetter(t *testing.T) func(ctx context.Context, d *webhook.Delivery, cause error) error {
	return func(context.Context, *webhook.Delivery, error) error {
		t.Error("dead-lettered although the vendor sends it again")
		return nil
	}
}

func TestAttempts_CopyIsNotCountedOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{}, func(_ *vendors.Profile, c *vendors.HandlerConfig) { c.Attempts = 2 })
		ping.On(r.Handler, returns(errCallback))
		b := body("a")
		for range 2 {
			require.Equal(t, webhook.Failed, r.process(b).Outcome)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Dropped, r.process(b).Outcome)
	})
}

// A copy comes a second after the first attempt, and fails when that one no longer keeps others from counting.
func TestAttempts_SlowCopyIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			if e.Delivery().Attempt == 2 {
				<-ctx.Done()
			}
			return errCallback
		})
		b, began := body("a"), time.Now()
		at := func(after time.Duration) webhook.Outcome {
			time.Sleep(time.Until(began.Add(after)))
			return r.process(b).Outcome
		}
		require.Equal(t, webhook.Failed, at(0))
		require.Equal(t, webhook.InFlight, at(time.Second), "a copy, whose callback goes on for 30 s")
		require.Equal(t, webhook.Failed, at(time.Minute), "the vendor's second attempt")
		require.Equal(t, webhook.Dropped, at(2*time.Minute), "its third and last")
	})
}

// The time in which no other attempt counts begins with the arrival, not with the failure.
func TestAttempts_CountAfterSlowFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{CallbackTimeout: 45 * time.Second})
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			if e.Delivery().Attempt == 1 {
				<-ctx.Done()
			}
			return errCallback
		})
		b, began := body("a"), time.Now()
		require.Equal(t, webhook.InFlight, r.process(b).Outcome)
		for n, want := range []webhook.Outcome{webhook.Failed, webhook.Dropped} {
			time.Sleep(time.Until(began.Add(time.Duration(n+1) * time.Minute)))
			require.Equal(t, want, r.process(b).Outcome)
		}
	})
}

// A copy that is run number Attempts is looked at before its run. If it then fails late, it must not count after all.
func TestAttempts_LateFailureOfCopyIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(ctx context.Context, e *Ping) error {
			if e.Delivery().Attempt == 3 {
				<-ctx.Done()
			}
			return errCallback
		})
		b := body("a")
		for range 2 {
			require.Equal(t, webhook.Failed, r.process(b).Outcome)
			time.Sleep(time.Second)
		}
		require.Equal(t, webhook.ReasonOverrun, r.process(b).Reason)
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Failed, r.process(b).Outcome, "the vendor's second attempt")
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Dropped, r.process(b).Outcome, "the vendor's third attempt")
	})
}

func TestAttempts_ConfigMayAllowOne(t *testing.T) {
	r := newReceiver(t, webhook.Options{}, func(_ *vendors.Profile, c *vendors.HandlerConfig) { c.Attempts = 1 })
	ping.On(r.Handler, returns(errCallback))
	result := r.process(body("a"))
	require.Equal(t, webhook.Dropped, result.Outcome)
	require.Equal(t, webhook.ReasonLastAttempt, result.Reason)
}

// A proxy that sends every attempt three times must not use up the vendor's attempts, even with several processes.
func TestAttempts_ProxyCopiesAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store idempotency.Store
		b := body("a")
		for attempt := 1; attempt <= 3; attempt++ {
			r := newReceiver(t, webhook.Options{Store: store}) // a restart before each attempt
			store = r.store
			ping.On(r.Handler, returns(errCallback))
			if attempt == 3 {
				result := r.process(b)
				require.Equal(t, webhook.Dropped, result.Outcome)
				require.Equal(t, 7, result.Delivery.Attempt, "every run must count as a run")
				break
			}
			for range 3 {
				require.Equal(t, webhook.Failed, r.process(b).Outcome, "attempt %d", attempt)
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Minute)
		}
	})
}

// The pause counts from the arrival. So the vendor's next attempt is not a copy, even if the callback failed late.
func TestAttempts_SlowFailuresAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			<-ctx.Done()
			return errCallback
		})
		b, start := body("a"), time.Now()
		want := []webhook.Outcome{overrun, overrun, overrunLast}
		for i, outcome := range want {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Minute)))
			result := r.process(b)
			require.Equal(t, outcome, as(outcome, result.Outcome, result.Reason), "attempt %d", i+1)
		}
		time.Sleep(time.Minute)
		seen := r.observations()
		require.Equal(t, webhook.Dropped, seen[len(seen)-1].Outcome)
	})
}

func TestAttempts_YoungContentIsNeverLast(t *testing.T) {
	for _, deadLetters := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var o webhook.Options
			last := webhook.Dropped
			if deadLetters {
				o.DeadLetter = func(context.Context, *webhook.Delivery, error) error { return nil }
				last = webhook.DeadLettered
			}
			r := newReceiver(t, o, byContent)
			ping.On(r.Handler, returns(errCallback))
			b := body("a")
			for range 20 { // a person resends it each minute
				require.Equal(t, webhook.Failed, r.process(b).Outcome)
				time.Sleep(time.Minute)
			}
			time.Sleep(time.Second)
			require.Equal(t, last, r.process(b).Outcome, "only the last attempt can be so old")
		})
	}
}

// If the key is not the content, every attempt may have a new date, so only the count decides.
func TestAttempts_RedatedDeliveriesAreCounted(t *testing.T) {
	for name, change := range map[string]func(*vendors.Profile, *vendors.HandlerConfig){
		"named by id": func(*vendors.Profile, *vendors.HandlerConfig) {},
		"named by the user": func(p *vendors.Profile, e *vendors.HandlerConfig) {
			byContent(p, e)
			e.DedupKey = func(event any) string { return event.(*Ping).ID }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{}, change)
				ping.On(r.Handler, returns(errCallback))
				for _, want := range []webhook.Outcome{webhook.Failed, webhook.Failed, webhook.Dropped} {
					require.Equal(t, want, r.process(body("a")).Outcome)
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// An old delivery may be on its last attempt. If the callback is still running, the handler responds 200 only if a failure
// can be dead-lettered.
func TestAttempts_OldOverrunIsLastWithDeadLetter(t *testing.T) {
	for want, o := range map[webhook.Outcome]webhook.Options{
		overrun:     {},
		overrunLast: {DeadLetter: func(context.Context, *webhook.Delivery, error) error { return nil }},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, o)
			ping.On(r.Handler, slow)
			result := r.process(bodyAt("a", time.Now().Add(-21*time.Minute)))
			require.Equal(t, want, as(want, result.Outcome, result.Reason))
			require.NoError(t, r.Shutdown(t.Context()))
		})
	}
}

// The vendor may send a delivery late, so that its time is old on the first attempt. Copies must not make it the last.
func TestAttempts_RetriesHeldBackDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{}, byContent)
		ping.On(r.Handler, returns(errCallback))
		b := bodyAt("a", time.Now().Add(-30*time.Minute))
		for range 5 {
			require.Equal(t, webhook.Failed, r.process(b).Outcome)
		}
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Failed, r.process(b).Outcome)
		time.Sleep(time.Minute)
		require.Equal(t, webhook.Dropped, r.process(b).Outcome)
	})
}

// If the store fails while it counts attempts, the number of runs decides.
func TestAttempts_StoreFailureLeavesTheRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countless{brokenStore{}}
		r := newReceiver(t, webhook.Options{Store: store})
		ping.On(r.Handler, returns(errCallback))
		for _, want := range []webhook.Outcome{webhook.Failed, webhook.Failed, webhook.Dropped} {
			require.Equal(t, want, r.process(body("a")).Outcome)
		}
	})
}

// countless is a store that fails when it counts attempts.
type countless struct{ brokenStore }

func (s *countless) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if lease < time.Minute/2+time.Millisecond {
		return idempotency.Claim{}, errors.New("store down")
	}
	return s.brokenStore.Claim(ctx, key, token, lease)
}

// Where the vendor sends once, each run is the last, also that of a proxy's copy.
func TestAttempts_OnlyOneIsAlwaysTheLast(t *testing.T) {
	for _, disables := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
				p.Attempts, p.GiveUpAfter, p.DisablesEndpoint = 1, 0, disables
			})
			ping.On(r.Handler, returns(errCallback))
			b := body("a")
			if disables {
				require.Equal(t, webhook.Dropped, r.process(b).Outcome)
				return
			}
			for range 3 {
				require.Equal(t, webhook.ReasonLastAttempt, r.process(b).Reason)
			}
		})
	}
}

// Configured attempts are counted, whatever the age of the delivery.
func TestAttempts_ConfiguredOnesAreCountedAlone(t *testing.T) {
	for name, change := range map[string]func(*vendors.Profile, *vendors.HandlerConfig){
		"named by id":      func(*vendors.Profile, *vendors.HandlerConfig) {},
		"named by content": byContent,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceiver(t, webhook.Options{DeadLetter: func(context.Context, *webhook.Delivery, error) error { return nil }}, change, func(_ *vendors.Profile, c *vendors.HandlerConfig) { c.Attempts = 3 })
				ping.On(r.Handler, returns(errCallback))
				b := body("a")
				for _, want := range []webhook.Outcome{webhook.Failed, webhook.Failed, webhook.DeadLettered} {
					require.Equal(t, want, r.process(b).Outcome)
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

func TestAttempts_SuccessMakesNoFurtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{})
		ping.On(r.Handler, returns(nil))
		r.process(body("a"))
		require.Equal(t, 1, r.store.(*idempotency.Memory).Len())
	})
}

// A failure counts only if half of the shortest pause has passed since the last counted failure.
func TestAttempts_CountsFromHalfThePause(t *testing.T) {
	for pause, last := range map[time.Duration]int{30 * time.Second: 3, 29 * time.Second: 5} { // then every second one counts
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{})
			ping.On(r.Handler, returns(errCallback))
			b := body("a")
			for n := 1; n < last; n++ {
				require.Equal(t, webhook.Failed, r.process(b).Outcome, "attempt %d", n)
				time.Sleep(pause)
			}
			require.Equal(t, webhook.Dropped, r.process(b).Outcome)
		})
	}
}

func TestAttempts_WithoutShortestPauseEveryRunCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, _ *vendors.HandlerConfig) { p.ShortestPause = 0 })
		ping.On(r.Handler, returns(errCallback))
		for _, want := range []webhook.Outcome{webhook.Failed, webhook.Failed, webhook.Dropped} {
			require.Equal(t, want, r.process(body("a")).Outcome)
		}
	})
}
