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

// A reply is an answer, and how long it took.
type reply struct {
	httpResponse
	after time.Duration
}

const (
	bodyDone      = `{"received":true}`
	bodyDuplicate = `{"received":true,"duplicate":true}`
)

// sendAside sends a ping, and returns once it runs or waits.
func sendAside(r *receiver, ctx context.Context, id string) <-chan reply {
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

// inTurn is a callback that lasts as long each time, and returns the errors in turn; nil after the last.
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

// onBothWays runs a test in a bubble, by ServeHTTP and by Process, over a store that is called directly and over
// another.
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
					time.Sleep(time.Hour) // whatever is still running ends within the bubble
				})
			})
		}
	}
}

func TestADuplicateWaitsForTheRunningCopyAndIsToldOfItsSuccess(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second))
		first := sendAside(r, t.Context(), "a")
		time.Sleep(time.Second)
		twin := <-sendAside(r, t.Context(), "a")
		require.Equal(t, http.StatusOK, twin.status)
		require.Equal(t, bodyDuplicate, twin.body)
		require.Equal(t, 2*time.Second, twin.after)
		require.Equal(t, bodyDone, (<-first).body)
	})
}

func TestADuplicateRunsItselfIfTheRunningCopyFails(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(2*time.Second, errCallback))
		first := sendAside(r, t.Context(), "a")
		twin := <-sendAside(r, t.Context(), "a")
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		require.Equal(t, http.StatusOK, twin.status)
		require.Equal(t, bodyDone, twin.body, "it is no duplicate: it did the work")
		require.Equal(t, 4*time.Second, twin.after)
		seen := r.observations()
		require.Equal(t, []int{1, 2}, []int{seen[0].Attempt, seen[1].Attempt})
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestADuplicateThatTookOverAndOverrunsIsAnsweredInItsOwnTime(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second, errCallback))
		first := sendAside(r, t.Context(), "a")
		twin := <-sendAside(r, t.Context(), "a")
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		require.Equal(t, http.StatusServiceUnavailable, twin.status)
		require.Equal(t, 4500*time.Millisecond, twin.after)
		time.Sleep(2 * time.Second)
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestADuplicateIsAnsweredAtItsOwnDeadline(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(20*time.Second))
		first := sendAside(r, t.Context(), "a")
		time.Sleep(time.Second)
		twin := <-sendAside(r, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, twin.status)
		require.Equal(t, 5, retryAfter(t, twin.httpResponse))
		require.Equal(t, 4500*time.Millisecond, twin.after)
		require.Equal(t, 4500*time.Millisecond, (<-first).after)
		late := <-sendAside(r, t.Context(), "a")
		require.Equal(t, 4500*time.Millisecond, late.after, "the copy runs although its sender has had an answer")
		time.Sleep(20 * time.Second)
		require.Equal(t, bodyDuplicate, (<-sendAside(r, t.Context(), "a")).body)
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
		first := sendAside(r, t.Context(), "a")
		second, third := sendAside(r, t.Context(), "a"), sendAside(r, t.Context(), "a")
		fourth := <-sendAside(r, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, fourth.status)
		require.Zero(t, fourth.after)
		require.Positive(t, retryAfter(t, fourth.httpResponse))
		other := <-sendAside(r, t.Context(), "b")
		require.Equal(t, reply{other.httpResponse, 3 * time.Second}, other, "another key is none of their business")
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
		first := sendAside(r, ctx, "a")
		hangUp()
		synctest.Wait()
		twin := <-sendAside(r, t.Context(), "a")
		require.Equal(t, bodyDuplicate, twin.body)
		require.Equal(t, 3*time.Second, twin.after)
		require.NoError(t, ended)
		<-first
		require.Equal(t, "completed", r.keyState("a"))
	})
}

func TestAClientThatHangsUpWhileItWaitsStillTakesOver(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second, errCallback))
		first := sendAside(r, t.Context(), "a")
		ctx, hangUp := context.WithCancel(t.Context())
		twin := sendAside(r, ctx, "a")
		hangUp()
		require.Equal(t, http.StatusInternalServerError, (<-first).status)
		<-twin
		time.Sleep(3 * time.Second)
		require.Equal(t, "completed", r.keyState("a"), "a sender that has gone may not come again")
	})
}

func TestNobodyWaitsForACopyThatRunsInAnotherProcess(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(3*time.Second))
		other := newReceiver(t, webhook.Options{Store: r.store})
		other.onSocket = r.onSocket
		ping.On(other.Handler, inTurn(3*time.Second))
		first := sendAside(r, t.Context(), "a")
		time.Sleep(1500 * time.Millisecond)
		twin := <-sendAside(other, t.Context(), "a")
		require.Equal(t, http.StatusServiceUnavailable, twin.status)
		require.Zero(t, twin.after)
		require.Equal(t, 39, retryAfter(t, twin.httpResponse), "what remains of the lease of 40 s, rounded up")
		require.Equal(t, http.StatusOK, (<-first).status)
		require.Equal(t, bodyDuplicate, (<-sendAside(other, t.Context(), "a")).body)
	})
}

func TestACopyThatNobodyFinishesRunsElsewhereOnceItsLeaseHasEnded(t *testing.T) {
	onBothWays(t, func(t *testing.T, r *receiver) {
		ping.On(r.Handler, inTurn(10*time.Minute)) // deaf to its context
		other := newReceiver(t, webhook.Options{Store: r.store})
		ping.On(other.Handler, inTurn(0))
		start := time.Now()
		require.Equal(t, http.StatusServiceUnavailable, (<-sendAside(r, t.Context(), "a")).status)
		wait := time.Duration(retryAfter(t, (<-sendAside(other, t.Context(), "a")).httpResponse)) * time.Second
		time.Sleep(wait)
		require.Equal(t, http.StatusServiceUnavailable, (<-sendAside(r, t.Context(), "a")).status, "never twice at once in one process")
		require.Equal(t, bodyDone, (<-sendAside(other, t.Context(), "a")).body)
		time.Sleep(10*time.Minute - time.Since(start))
		synctest.Wait()
		seen := r.observations()
		last := seen[len(seen)-1]
		require.True(t, last.Late)
		require.Equal(t, webhook.Handled, last.Outcome)
		require.Equal(t, webhook.ReasonLeaseLost, last.Reason, "exactly one completion is accepted")
	})
}

func TestACopyWhoseCompletionIsTriedAgainIsDoneForItsDuplicatesHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{completeErr: errCallback, heals: 10 * time.Second}
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
		got := <-sendAside(r, t.Context(), "a")
		require.Equal(t, 4500*time.Millisecond, got.after)
		require.Equal(t, http.StatusServiceUnavailable, got.status)
		time.Sleep(time.Second)
		seen := r.observations()
		require.Equal(t, webhook.Handled, seen[1].Outcome)
		require.True(t, seen[1].Late)
		require.Equal(t, bodyDuplicate, r.deliver(body("a")).body)
	})
}

// A hangingStore takes its time over a completion.
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
		o := webhook.Options{Store: &brokenStore{completeErr: errCallback, heals: 10 * time.Second}}
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

// contentAndID is for a vendor that signs every attempt anew, and whose id anybody could have put there.
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
		require.Equal(t, http.StatusServiceUnavailable, replay.status, "it might be a copy of what runs as a")
		for _, o := range processes[1].observations() {
			require.Equal(t, webhook.InFlight, o.Outcome)
		}
		third := send(processes[0], body("x"), "a")
		require.Equal(t, bodyDone, third.body, "the vendor's next attempt")
		require.Equal(t, bodyDuplicate, send(processes[1], body("x"), "a").body)
		time.Sleep(time.Hour - time.Since(start))
		require.Equal(t, http.StatusServiceUnavailable, send(processes[1], second, "b").status, "for as long as it is fresh")
		time.Sleep(3 * time.Second)
		require.Equal(t, http.StatusUnauthorized, send(processes[1], second, "b").status)
	})
}
