package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// A listener records the silences of a handler.
type listener struct {
	mu   sync.Mutex
	list []webhook.Silence
}

func (l *listener) hear(_ context.Context, s webhook.Silence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

func (l *listener) silences() []webhook.Silence {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]webhook.Silence(nil), l.list...)
}

const day = 24 * time.Hour

// withSilence runs f in a bubble. restart makes another handler on the same store, which lasts until the test ends.
func withSilence(t *testing.T, f func(t *testing.T, restart func(after time.Duration) (*receiver, *listener))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := memory(t, 30*day)
		f(t, func(after time.Duration) (*receiver, *listener) {
			r, l := listening(t, store, after)
			t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
			synctest.Wait()
			return r, l
		})
	})
}

// listening returns a handler with a listener for its silences.
func listening(t *testing.T, store idempotency.Store, after time.Duration) (*receiver, *listener) {
	t.Helper()
	l := new(listener)
	r := newReceiver(t, webhook.Options{Store: store, SilentAfter: after, OnSilence: l.hear})
	ping.On(r.Handler, returns(nil))
	return r, l
}

func TestSilence_BeginsAndEndsOnce(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, l := restart(day)
		for id := range 50 { // less than a day apart
			time.Sleep(day - time.Minute)
			require.Equal(t, 200, r.deliver(body(string(rune('A'+id)))).status)
		}
		require.Empty(t, l.silences())
		last := time.Now()
		time.Sleep(day + time.Second)
		require.Equal(t, []webhook.Silence{{Vendor: "acme", Endpoint: "default", Since: last}}, l.silences())
		require.True(t, r.Status().Silent)
		require.ErrorIs(t, r.Ready(t.Context()), webhook.ErrSilent)
		time.Sleep(10 * day)
		require.Len(t, l.silences(), 1)

		r.deliver(body("again"))
		r.deliver(body("and again"))
		synctest.Wait()
		require.Equal(t, webhook.Silence{Vendor: "acme", Endpoint: "default", Since: last, Over: true}, l.silences()[1])
		require.NoError(t, r.Ready(t.Context()))
		require.Equal(t, time.Now(), r.Status().Accepted)
		time.Sleep(day + time.Second)
		require.Len(t, l.silences(), 3, "it begins again")
		require.Equal(t, 2, r.log.Count(`"level":"ERROR"`, "no delivery was accepted for Options.SilentAfter", `"silent_after":"24h0m0s"`), r.log.String())
		require.Equal(t, 1, r.log.Count(`"level":"INFO"`, "deliveries are accepted again", `"last_accepted"`), r.log.String())
	})
}

func TestSilence_BeginsWithoutAnyDelivery(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, l := restart(day)
		time.Sleep(day - time.Second)
		require.Empty(t, l.silences())
		time.Sleep(2 * time.Second)
		require.Equal(t, []webhook.Silence{{Vendor: "acme", Endpoint: "default"}}, l.silences())
		require.Zero(t, r.Status().Accepted)
	})
}

// Only authentic, fresh and new deliveries count: anyone can send a forged request, or a captured delivery again.
func TestSilence_CountsNoForgeryAndNoReplay(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, l := restart(30 * time.Minute)
		time.Sleep(time.Second)
		first, last := body("a"), time.Now()
		r.deliver(first)
		time.Sleep(20 * time.Minute)
		require.Contains(t, r.deliver(first).body, "duplicate")
		forge := func() {
			forged := r.signed(body("b"))
			forged.Header.Set("X-Acme-Signature", "00")
			require.Equal(t, 401, r.send(forged).status)
		}
		forge()
		require.Equal(t, 401, r.deliver(bodyAt("c", time.Now().Add(-2*time.Hour))).status)
		require.EqualValues(t, 1, r.Status().Refused)
		time.Sleep(11 * time.Minute)
		require.Equal(t, []webhook.Silence{{Vendor: "acme", Endpoint: "default", Since: last, Refused: 1}}, l.silences())

		r.deliver(body("after the refusal"))
		require.Zero(t, r.Status().Refused)
		forge()
		require.EqualValues(t, 1, r.Status().Refused)
		require.NoError(t, r.SetKeys(signature.NewKey("new", "another-secret-of-acme")))
		require.Zero(t, r.Status().Refused, "counted from the exchange of the keys")
		r.deliver(body("d"))
		require.EqualValues(t, 1, r.Status().Refused)
		require.NoError(t, r.SetKeys(signature.NewKey("default", acmeSecret)))
		r.deliver(body("e"))
		require.Zero(t, r.Status().Refused)
		synctest.Wait()
		require.True(t, l.silences()[1].Over)
	})
}

// A failure of this service is not silence.
func TestSilence_CountsDeliveriesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{SilentAfter: time.Minute})
		ping.On(r.Handler, func(context.Context, *Ping) error { return errors.New("the callback failed") })
		time.Sleep(50 * time.Second)
		require.Equal(t, 500, r.deliver(body("a")).status)
		time.Sleep(50 * time.Second)
		pong, err := json.Marshal(map[string]any{"type": "pong", "id": "p", "time": time.Now().Unix()})
		require.NoError(t, err)
		r.deliver(pong) // without a callback
		time.Sleep(50 * time.Second)
		require.False(t, r.Status().Silent)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A restart does not begin the time again.
func TestSilence_SurvivesRestart(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, l := restart(day)
		r.deliver(body("a"))
		for range 4 { // every five hours
			time.Sleep(5 * time.Hour)
			require.NoError(t, r.Shutdown(t.Context()))
			require.Empty(t, l.silences())
			r, l = restart(day)
		}
		time.Sleep(4*time.Hour + time.Minute)
		require.Len(t, l.silences(), 1, "after 24 hours in all")
		_, l = restart(day)
		time.Sleep(2 * time.Second) // longer than a look of the other process
		require.Len(t, l.silences(), 1, "it is still silent")
	})
}

func TestSilence_SurvivesRestartOnStoreWithoutRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := struct{ idempotency.Store }{memory(t, 30*day)}
		r, _ := listening(t, store, day)
		time.Sleep(time.Hour)
		r.deliver(body("a"))
		time.Sleep(20 * time.Hour)
		require.NoError(t, r.Shutdown(t.Context()))
		r, l := listening(t, store, day)
		time.Sleep(4*time.Hour - time.Minute)
		require.Empty(t, l.silences())
		time.Sleep(2 * time.Minute)
		require.Len(t, l.silences(), 1)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestSilence_CountsFromFirstStartWithoutAnyDelivery(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, _ := restart(day)
		time.Sleep(20 * time.Hour)
		require.NoError(t, r.Shutdown(t.Context()))
		_, l := restart(day)
		time.Sleep(4*time.Hour + time.Minute)
		require.Len(t, l.silences(), 1)
	})
}

// Of several processes with one store, none reports a silence while another accepts deliveries. Then all report it, although
// they look at the same moment.
func TestSilence_LooksAtAllProcesses(t *testing.T) {
	for name, delay := range map[string]time.Duration{"fast store": 0, "slow store": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &slowStore{Renewer: memory(t, 30*day), delay: delay}
				var all []*receiver
				var listeners []*listener
				for range 4 {
					r, l := listening(t, store, day)
					all, listeners = append(all, r), append(listeners, l)
				}
				for id := range 30 {
					time.Sleep(12 * time.Hour)
					all[0].deliver(body(string(rune('A' + id))))
				}
				for _, l := range listeners {
					require.Empty(t, l.silences())
				}
				time.Sleep(day + time.Minute)
				for i, l := range listeners {
					require.Len(t, l.silences(), 1)
					require.True(t, all[i].Status().Silent)
				}
				all[0].deliver(body("again"))
				time.Sleep(2 * time.Minute)
				for i, l := range listeners {
					require.Len(t, l.silences(), 2, "also those that have accepted nothing")
					require.True(t, l.silences()[1].Over)
					require.False(t, all[i].Status().Silent)
					require.NoError(t, all[i].Shutdown(t.Context()))
				}
			})
		})
	}
}

// slowStore delays each call, and fails renewals while down is set.
type slowStore struct {
	idempotency.Renewer

	delay  time.Duration
	down   atomic.Bool
	inside atomic.Int64 // calls that have not returned
}

func (s *slowStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	s.inside.Add(1)
	defer s.inside.Add(-1)
	time.Sleep(s.delay)
	return s.Renewer.Claim(ctx, key, token, lease)
}

func (s *slowStore) Renew(ctx context.Context, key string, token idempotency.Token, lease time.Duration) error {
	s.inside.Add(1)
	defer s.inside.Add(-1)
	time.Sleep(s.delay)
	if s.down.Load() {
		return errors.New("the store is down")
	}
	return s.Renewer.Renew(ctx, key, token, lease)
}

// Shutdown waits until the store knows of the last delivery. A restart would report a silence otherwise.
func TestSilence_ShutdownWaitsForStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Renewer: memory(t, 30*day), delay: 500 * time.Millisecond}
		r, _ := listening(t, store, day)
		time.Sleep(day - time.Minute)
		r.deliver(body("a"))
		synctest.Wait()
		require.Positive(t, store.inside.Load())
		require.NoError(t, r.Shutdown(t.Context()))
		require.Zero(t, store.inside.Load())
		time.Sleep(10 * time.Minute)
		r, l := listening(t, store, day)
		time.Sleep(time.Minute)
		require.Empty(t, l.silences())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// If the store could not record a delivery, the next one records.
func TestSilence_RecordsAgainAfterError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Renewer: memory(t, 30*day)}
		r, _ := listening(t, store, day)
		time.Sleep(day - time.Minute)
		store.down.Store(true)
		r.deliver(body("a"))
		synctest.Wait()
		store.down.Store(false)
		r.deliver(body("b"))
		require.NoError(t, r.Shutdown(t.Context()))
		r, l := listening(t, store, day)
		time.Sleep(time.Hour)
		require.Empty(t, l.silences())
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// The end must not overtake a slow report of the beginning, and a delivery waits for neither.
func TestSilence_ReportsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(listener)
		r := newReceiver(t, webhook.Options{SilentAfter: time.Minute, OnSilence: func(ctx context.Context, s webhook.Silence) {
			if !s.Over {
				time.Sleep(10 * time.Second)
			}
			l.hear(ctx, s)
		}})
		ping.On(r.Handler, returns(nil))
		time.Sleep(61 * time.Second)
		require.True(t, r.Status().Silent)
		began := time.Now()
		r.deliver(body("a"))
		require.Equal(t, began, time.Now())
		time.Sleep(20 * time.Second)
		require.Len(t, l.silences(), 2)
		require.True(t, l.silences()[1].Over)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// A look that waits for the store must not report after Shutdown.
func TestSilence_ReportsNothingAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(listener)
		r := newReceiver(t, webhook.Options{
			Store: &slowStore{Renewer: memory(t, 30*day), delay: 500 * time.Millisecond}, SilentAfter: time.Hour, OnSilence: l.hear,
		})
		time.Sleep(time.Hour + 600*time.Millisecond) // it looks at this moment
		require.NoError(t, r.Shutdown(t.Context()))
		before := len(l.silences())
		time.Sleep(day)
		require.Len(t, l.silences(), before)
	})
}

// While the store is down, this process does not know what the other processes have accepted.
func TestSilence_WaitsForStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failingStore{Store: memory(t, 30*day)}
		l := new(listener)
		r := newReceiver(t, webhook.Options{Store: store, SilentAfter: time.Hour, OnSilence: l.hear})
		synctest.Wait()
		store.set(errors.New("the store is down"))
		time.Sleep(3 * time.Hour)
		require.Empty(t, l.silences())
		require.ErrorContains(t, r.Ready(t.Context()), "webhook: the store of acme/default is not ready: the store is down")
		store.set(nil)
		time.Sleep(2 * time.Minute)
		require.Len(t, l.silences(), 1)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

// failingStore fails while an error is set.
type failingStore struct {
	idempotency.Store

	mu  sync.Mutex
	err error
}

func (s *failingStore) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *failingStore) current() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *failingStore) Claim(ctx context.Context, key string, token idempotency.Token, lease time.Duration) (idempotency.Claim, error) {
	if err := s.current(); err != nil {
		return idempotency.Claim{}, err
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func (s *failingStore) Release(ctx context.Context, key string, token idempotency.Token) error {
	if err := s.current(); err != nil {
		return err
	}
	return s.Store.Release(ctx, key, token)
}

// OnSilence and the logger are the user's code, and run on a goroutine without a recover.
func TestSilence_SurvivesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{SilentAfter: time.Minute, OnSilence: func(context.Context, webhook.Silence) { panic("on purpose") }})
		time.Sleep(2 * time.Minute)
		require.True(t, r.Status().Silent)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestSilence_EndsWithShutdown(t *testing.T) {
	withSilence(t, func(t *testing.T, restart func(time.Duration) (*receiver, *listener)) {
		r, l := restart(day)
		require.NoError(t, r.Shutdown(t.Context()))
		time.Sleep(10 * day)
		require.Empty(t, l.silences())
		require.True(t, r.Status().ShuttingDown)
		require.ErrorIs(t, r.Ready(t.Context()), webhook.ErrShutdown)
	})
}

func TestStatus_HasLimitsAndUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, webhook.Options{MaxRunning: 7, ReadBudget: webhook.NewReadBudget(4 << 20)})
		release := make(chan struct{})
		ping.On(r.Handler, func(context.Context, *Ping) error { <-release; return nil })
		go r.deliver(body("a"))
		go r.Process(t.Context(), webhook.Request{Method: "POST", Body: stuck{}})
		synctest.Wait()
		s := r.Status()
		require.Equal(t, 1, s.Running)
		require.Equal(t, 7, s.MaxRunning)
		require.EqualValues(t, 16<<10, s.Reading)
		require.EqualValues(t, 4<<20, s.ReadBudget)
		close(release)
		time.Sleep(time.Hour) // also ends the stuck read
		s = r.Status()
		require.Zero(t, s.Running)
		require.Zero(t, s.Reading)
		require.False(t, s.Silent)
		require.NoError(t, r.Ready(t.Context()))
	})
}

// With an inbox, a captured delivery that comes again is stored already.
func TestSilence_CountsNoDuplicateOfInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stored := make(map[string]bool)
		box := inboxFunc(func(_ context.Context, d *webhook.Delivery) (bool, error) {
			duplicate := stored[d.ID]
			stored[d.ID] = true
			return duplicate, nil
		})
		r := newReceiver(t, webhook.Options{Inbox: box, SilentAfter: 10 * time.Minute})
		captured := body("a")
		for range 3 {
			require.Equal(t, 200, r.deliver(captured).status)
			time.Sleep(6 * time.Minute)
		}
		require.True(t, r.Status().Silent)
		r.deliver(body("b"))
		require.False(t, r.Status().Silent)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}
