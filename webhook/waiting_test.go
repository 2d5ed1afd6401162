package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A reply is a response and the time that it took.
type reply struct {
	httpResponse
	after time.Duration
}

const (
	bodyDone      = `{"received":true}`
	bodyDuplicate = `{"received":true,"duplicate":true}`
)

// sendAsync sends a ping, and returns once it runs or waits.
func sendAsync(r *receiver, ctx context.Context, id string) <-chan reply {
	done := make(chan reply, 1)
	request := r.signed(body(id))
	start := time.Now()
	go func() {
		a := r.send(request.WithContext(ctx))
		done <- reply{a, time.Since(start)}
	}()
	synctest.Wait()
	return done
}

// inTurn returns a callback that takes d each time. It returns the errors in order, and then nil.
func inTurn(d time.Duration, errs ...error) func(context.Context, *Ping) error {
	var calls atomic.Int64
	return func(context.Context, *Ping) error {
		time.Sleep(d)
		if n := int(calls.Add(1)); n <= len(errs) {
			return errs[n-1]
		}
		return nil
	}
}

// onBothWays runs a test in a bubble, with ServeHTTP and Process. It uses a Memory, which the guard calls directly, and
// another store.
func onBothWays(t *testing.T, test func(t *testing.T, r *receiver)) {
	for name, store := range map[string]func() idempotency.Store{
		"memory":    func() idempotency.Store { return nil },
		"any store": func() idempotency.Store { return new(brokenStore) },
	} {
		for _, way := range []string{"ServeHTTP", "Process"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newReceiver(t, webhook.Options{Store: store()})
					r.onSocket = way == "ServeHTTP"
					test(t, r)
					time.Sleep(time.Hour) // until all callbacks have ended
				})
			})
		}
	}
}

func TestADuplicateWaitsForTheRunningCopyAndIsToldOfItsSuccess(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second))
		first := sendAsync(r, t.Context(), "a")
		time.Sleep(time.Second)
		duplicate := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, http.StatusOK, duplicate.status)
		require.Equal(t, bodyDuplicate, duplicate.body)
		require.Equal(t, 2*time.Second, duplicate.after)
		require.Equal(t, bodyDone, (<-first).body)
	})
}

func TestADuplicateRunsItselfIfTheRunningCopyFails(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(2*time.Second, errCallback))
		first := sendAsync(r, t.Context(), "a")
		duplicate := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		require.Equal(t, http.StatusOK, duplicate.status)
		require.Equal(t, bodyDone, duplicate.body, "it ran the callback, so it is not a duplicate")
		require.Equal(t, 4*time.Second, duplicate.after)
		seen := r.observations()
		require.Equal(t, []int{1, 2}, []int{seen[0].Attempt, seen[1].Attempt})
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestADuplicateThatTookOverAndOverrunsIsAnsweredInItsOwnTime(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second, errCallback))
		first := sendAsync(r, t.Context(), "a")
		duplicate := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		require.Equal(t, http.StatusServiceUnavailable, duplicate.status)
		require.Equal(t, 4500*time.Millisecond, duplicate.after)
		time.Sleep(2 * time.Second)
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestADuplicateIsAnsweredAtItsOwnDeadline(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(20*time.Second))
		first := sendAsync(r, t.Context(), "a")
		time.Sleep(time.Second)
		duplicate := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, duplicate.status)
		require.Equal(t, 5, retryAfter(t, duplicate.httpResponse))
		require.Equal(t, 4500*time.Millisecond, duplicate.after)
		require.Equal(t, 4500*time.Millisecond, (<-first).after)
		late := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, 4500*time.Millisecond, late.after, "the first copy still runs after its response")
		time.Sleep(20 * time.Second)
		require.Equal(t, bodyDuplicate, (<-sendAsync(r, t.Context(), "a")).body)
	})
}

func TestACallbackThatEndsJustWhenTheAnswerIsDueIsOneOrTheOther(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(4500*time.Millisecond))
		for n := range 100 {
			id := fmt.Sprint("tie-", n)
			earlier := len(r.observations())
			got := r.deliver(body(id))
			time.Sleep(time.Second)
			seen := r.observations()[earlier:]
			if got.status == http.StatusOK {
				require.Len(t, seen, 1)
				require.Equal(t, webhook.Handled, seen[0].Outcome)
			} else {
				require.Len(t, seen, 2)
				require.Equal(t, webhook.ReasonOverrun, seen[0].Reason)
				require.Equal(t, webhook.Handled, seen[1].Outcome)
			}
			require.Equal(t, "completed", r.keyState(id))
		}
		require.NoError(t, r.Shutdown(t.Context()), "nothing is left")
	})
}

func TestNoMoreThanTwoDuplicatesOfAKeyWait(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second))
		first := sendAsync(r, t.Context(), "a")
		second, third := sendAsync(r, t.Context(), "a"), sendAsync(r, t.Context(), "a")
		fourth := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, fourth.status)
		require.Zero(t, fourth.after)
		require.Positive(t, retryAfter(t, fourth.httpResponse))
		other := <-sendAsync(r, t.Context(), "b")
		require.Equal(t, reply{other.httpResponse, 3 * time.Second}, other, "another key must not wait for them")
		require.Equal(t, http.StatusOK, other.status)
		for _, done := range []<-chan reply{first, second, third} {
			require.Equal(t, http.StatusOK, (<-done).status)
		}
	})
}

func TestAClientThatHangsUpEndsNeitherTheCallbackNorItsOutcome(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		var ended error
		ping.On(r.Handler, func(ctx context.Context, _ *Ping) error {
			time.Sleep(3 * time.Second)
			ended = ctx.Err()
			return nil
		})
		ctx, hangUp := context.WithCancel(t.Context())
		first := sendAsync(r, ctx, "a")
		hangUp()
		synctest.Wait()
		duplicate := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, bodyDuplicate, duplicate.body)
		require.Equal(t, 3*time.Second, duplicate.after)
		require.NoError(t, ended)
		<-first
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestAClientThatHangsUpWhileItWaitsStillTakesOver(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second, errCallback))
		first := sendAsync(r, t.Context(), "a")
		ctx, hangUp := context.WithCancel(t.Context())
		duplicate := sendAsync(r, ctx, "a")
		hangUp()
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		<-duplicate
		time.Sleep(3 * time.Second)
		require.Equal(t, "completed", r.keyState("a"), "the disconnected sender may not send it again")
	})
}

func TestNobodyWaitsForACopyThatRunsInAnotherProcess(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second))
		other := newReceiver(t, webhook.Options{Store: r.store})
		other.onSocket = r.onSocket
		ping.On(other.Handler, inTurn(3*time.Second))
		first := sendAsync(r, t.Context(), "a")
		time.Sleep(1500 * time.Millisecond)
		duplicate := <-sendAsync(other, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, duplicate.status)
		require.Zero(t, duplicate.after)
		require.Equal(t, 39, retryAfter(t, duplicate.httpResponse), "the rest of the lease of 40 s, rounded up")
		require.Equal(t, http.StatusOK, (<-first).status)
		require.Equal(t, bodyDuplicate, (<-sendAsync(other, t.Context(), "a")).body)
	})
}

func TestACopyThatNobodyFinishesRunsElsewhereOnceItsLeaseHasEnded(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(10*time.Minute)) // ignores its context
		other := newReceiver(t, webhook.Options{Store: r.store})
		ping.On(other.Handler, inTurn(0))
		start := time.Now()
		require.Equal(t, http.StatusServiceUnavailable, (<-sendAsync(r, t.Context(), "a")).status)
		wait := time.Duration(retryAfter(t, (<-sendAsync(other, t.Context(), "a")).httpResponse)) * time.Second
		time.Sleep(wait)
		require.Equal(t, http.StatusServiceUnavailable, (<-sendAsync(r, t.Context(), "a")).status, "one process must not run it twice at once")
		require.Equal(t, bodyDone, (<-sendAsync(other, t.Context(), "a")).body)
		time.Sleep(10*time.Minute - time.Since(start))
		synctest.Wait()
		seen := r.observations()
		last := seen[len(seen)-1]
		require.True(t, last.Late)
		require.Equal(t, webhook.Handled, last.Outcome)
		require.Equal(t, webhook.ReasonLeaseLost, last.Reason, "the store must accept exactly one completion")
	})
}

func TestACopyWhoseCompletionIsTriedAgainIsDoneForItsDuplicatesHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{completeErr: errCallback, recovers: 10 * time.Second}
		r := newReceiver(t, webhook.Options{Store: store})
		other := newReceiver(t, webhook.Options{Store: store})
		ping.On(r.Handler, returns(nil))
		ping.On(other.Handler, returns(nil))
		require.Equal(t, bodyDone, r.deliver(body("a")).body)
		require.Equal(t, webhook.ReasonStore, r.observations()[0].Reason)
		require.Equal(t, bodyDuplicate, r.deliver(body("a")).body)
		require.Equal(t, http.StatusServiceUnavailable, other.deliver(body("a")).status)
		time.Sleep(12 * time.Second)
		require.Equal(t, bodyDuplicate, other.deliver(body("a")).body)
	})
}

func TestAStoreThatHangsWhileItShouldCompleteDoesNotHoldUpTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{Store: hangingStore{new(brokenStore), 800 * time.Millisecond}})
		ping.On(r.Handler, inTurn(4*time.Second))
		got := <-sendAsync(r, t.Context(), "a")
		require.Equal(t, 4500*time.Millisecond, got.after)
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		time.Sleep(time.Second)
		seen := r.observations()
		require.Equal(t, webhook.Handled, seen[1].Outcome)
		require.True(t, seen[1].Late)
		require.Equal(t, bodyDuplicate, r.deliver(body("a")).body)
	})
}

// A hangingStore is slow to complete a key.
type hangingStore struct {
	*brokenStore
	hangs time.Duration
}

func (s hangingStore) Complete(ctx context.Context, key string, token idempotency.Token) error {
	time.Sleep(s.hangs)
	return s.brokenStore.Complete(ctx, key, token)
}

func TestWhatWasParkedIsMarkedOnceTheStoreTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := webhook.Options{Store: &brokenStore{completeErr: errCallback, recovers: 10 * time.Second}}
		deadLetters(&o)
		r := newReceiver(t, o)
		ping.On(r.Handler, returns(webhook.Permanent(errCallback)))
		require.Equal(t, bodyDone, r.deliver(body("a")).body)
		require.Equal(t, webhook.DeadLettered, r.observations()[0].Outcome)
		require.Equal(t, webhook.ReasonPermanent, r.observations()[0].Reason)
		time.Sleep(12 * time.Second)
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestDuplicatesTakeUpNoRoomAmongTheRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{MaxRunning: 1})
		ping.On(r.Handler, returns(nil))
		for range 3 {
			require.Equal(t, http.StatusOK, r.deliver(body("a")).status)
		}
		require.Equal(t, bodyDone, r.deliver(body("b")).body)
	})
}

// contentAndID is for a vendor that signs every attempt again, and whose id is not signed.
func contentAndID(p *vendors.Profile, _ *vendors.HandlerConfig) {
	p.DedupKeys = func(a *vendors.Authenticated) vendors.DedupKeys {
		return vendors.DedupKeys{ID: a.Header.Get("Id"), Keys: []string{vendors.ByContent(a).Keys[0], "id/" + a.Header.Get("Id")}}
	}
}

func TestAnAttemptRefusedByItsNameCannotRunUnderAnother(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		var processes []*receiver
		for range 2 {
			p := newReceiver(t, webhook.Options{Store: r.store}, contentAndID)
			ping.On(p.Handler, inTurn(3*time.Second, errCallback))
			processes = append(processes, p)
		}
		send := func(p *receiver, body []byte, id string) httpResponse {
			request := p.signed(body)
			request.Header.Set("Id", id)
			return p.send(request)
		}
		start := time.Now()
		first := body("x")
		go send(processes[0], first, "a")
		time.Sleep(time.Second)
		second := body("x")
		require.NotEqual(t, first, second)
		require.Equal(t, http.StatusServiceUnavailable, send(processes[1], second, "a").status)
		time.Sleep(10 * time.Second)
		replay := send(processes[1], second, "b")
		require.Equal(t, http.StatusServiceUnavailable, replay.status, "it may be a copy of the delivery with the id a")
		for _, o := range processes[1].observations() {
			require.Equal(t, webhook.InFlight, o.Outcome)
		}
		third := send(processes[0], body("x"), "a")
		require.Equal(t, bodyDone, third.body, "the vendor's next attempt")
		require.Equal(t, bodyDuplicate, send(processes[1], body("x"), "a").body)
		time.Sleep(time.Hour - time.Since(start))
		require.Equal(t, http.StatusServiceUnavailable, send(processes[1], second, "b").status, "it is still fresh")
		time.Sleep(3 * time.Second)
		require.Equal(t, http.StatusUnauthorized, send(processes[1], second, "b").status)
	})
}
