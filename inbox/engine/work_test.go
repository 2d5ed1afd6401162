package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

var errStorage = errors.New("storage is down")

// A storage has deliveries to take, and records the calls of its functions.
type storage struct {
	dispatcher *engine.Dispatcher
	log        *logged
	next       time.Duration
	takeErr    error

	mu       sync.Mutex
	waiting  []*leased
	began    time.Time
	calls    map[string][]time.Duration // when each function was called, by its name
	reported []error
	followed []int // how many handlers there were
}

// A leased is a delivery of a storage. Its Record returns the errors one after the other.
type leased struct {
	storage  *storage
	id       string
	unread   error
	errs     []error
	decision engine.Decision
}

func (s *storage) called(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name] = append(s.calls[name], time.Since(s.began))
}

func (l *leased) Delivery() (*webhook.Delivery, int, error) { return delivery(l.id), 1, l.unread }
func (l *leased) Free()                                     { l.storage.called("free") }
func (l *leased) Entry() inbox.Entry                        { return inbox.Entry{ID: l.id, Delivery: delivery(l.id)} }

func (l *leased) Record(_ context.Context, d engine.Decision) error {
	l.storage.called("record")
	return l.fail(d)
}

func (l *leased) GiveBack(context.Context) error {
	l.storage.called("give back")
	return l.fail(engine.Decision{})
}

func (l *leased) fail(d engine.Decision) error {
	l.storage.mu.Lock()
	defer l.storage.mu.Unlock()
	l.decision = d
	if len(l.errs) == 0 {
		return nil
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return err
}

func (s *storage) take(context.Context) (time.Duration, error) {
	s.called("take")
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) > 0 && s.dispatcher.Reserve("acme", "default", 1) == 1 {
		s.dispatcher.Start(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
	return s.next, s.takeErr
}

// work begins a Run with the storage, which calls change before. stop ends the Run.
func work(t *testing.T, p inbox.Policy, change func(*storage, *engine.Storage), handlers ...inbox.Handler) (s *storage, runs *engine.Runs, stop func() error) {
	t.Helper()
	s = &storage{log: new(logged), next: time.Hour, began: time.Now(), calls: make(map[string][]time.Duration)}
	p.Logger = s.log.JSON(slog.LevelInfo)
	p, err := engine.WithDefaults(p)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	runs = &engine.Runs{Report: func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reported = append(s.reported, err)
	}}
	d, end, err := runs.Begin(ctx, p, handlers...)
	require.NoError(t, err)
	s.dispatcher = d
	call := func(name string) []func(context.Context) error {
		return []func(context.Context) error{func(context.Context) error { s.called(name); return nil }}
	}
	o := &engine.Storage{
		Take: s.take, Lease: 30 * time.Second, Renew: call("renew"), Maintain: call("maintain"),
		Follow: func(_ context.Context, handlers []inbox.Handler) { s.followed = append(s.followed, len(handlers)) },
	}
	change(s, o)
	returned := make(chan error, 1)
	go func() {
		defer end()
		returned <- d.Work(o)
	}()
	synctest.Wait()
	return s, runs, func() error { cancel(); return <-returned }
}

// waits returns a change that makes deliveries wait.
func waits(list ...*leased) func(*storage, *engine.Storage) {
	return func(s *storage, _ *engine.Storage) {
		for _, l := range list {
			l.storage = s
		}
		s.waiting = list
	}
}

func (s *storage) times(name string) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

const ms = time.Millisecond

func TestWork_RecordsUntilStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leased{id: "a", errs: []error{errStorage, errStorage, errStorage}}
		s, _, stop := work(t, inbox.Policy{}, waits(l), acme(handled))
		time.Sleep(time.Minute)
		require.Equal(t, []time.Duration{0, 50 * ms, 150 * ms, 350 * ms}, s.times("record"))
		require.Equal(t, []time.Duration{350 * ms}, s.times("free"))
		require.Equal(t, []error{errStorage, errStorage, errStorage}, s.reported)
		require.Equal(t, engine.Complete, l.decision.Disposition)
		require.NoError(t, stop())
	})
}

func TestWork_KeepsSlotUntilRecorded(t *testing.T) {
	for most, want := range map[int]time.Duration{0: 50 * ms, 1: 0} {
		t.Run(fmt.Sprint("MaxCompleting ", most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := &leased{id: "a", errs: []error{errStorage}}, &leased{id: "b"}
				s, _, stop := work(t, inbox.Policy{Concurrency: 1}, func(s *storage, o *engine.Storage) {
					waits(first, second)(s, o)
					o.MaxCompleting = most
				}, acme(handled))
				time.Sleep(time.Second)
				require.Len(t, s.times("take"), 3, "a free slot takes again")
				require.Equal(t, want, s.times("take")[1])
				require.Len(t, s.times("free"), 2)
				require.NoError(t, stop())
			})
		})
	}
}

func TestWork_LogsLeaseThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leased{id: "a", errs: []error{fmt.Errorf("engine: %w", engine.ErrLeaseEnded)}}
		s, _, stop := work(t, inbox.Policy{}, waits(l), acme(returns(webhook.Result{Outcome: webhook.DeadLettered})))
		require.NoError(t, stop())
		require.Len(t, s.times("record"), 1)
		require.Len(t, s.times("free"), 1)
		warnings := s.log.lines(t, slog.LevelWarn)
		require.Len(t, warnings, 1)
		require.Equal(t, "a", warnings[0]["entry"])
		require.Empty(t, s.log.lines(t, slog.LevelError), "it is no dead letter")
		require.Empty(t, s.reported)
	})
}

func TestWork_DeadLettersUndecodableDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leased{id: "a", unread: errors.New("no JSON"), errs: []error{errStorage}}
		s, _, stop := work(t, inbox.Policy{}, waits(l), acme(func(context.Context, *webhook.Delivery) webhook.Result {
			panic("must not be called")
		}))
		time.Sleep(time.Second)
		require.NoError(t, stop())
		require.Len(t, s.times("record"), 2)
		require.Equal(t, engine.DeadLetter, l.decision.Disposition)
		require.Equal(t, "no JSON", l.decision.Attempt.Error)
		require.Equal(t, webhook.Rejected, l.decision.Attempt.Outcome)
		require.Len(t, s.log.lines(t, slog.LevelError), 1)
		require.Len(t, s.times("free"), 1)
	})
}

func TestWork_GivesBackUnstarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leased{id: "a"}
		for range 100 {
			l.errs = append(l.errs, errStorage)
		}
		var late func()
		s, _, stop := work(t, inbox.Policy{}, func(s *storage, o *engine.Storage) {
			o.Take = func(ctx context.Context) (time.Duration, error) {
				<-ctx.Done() // the Run ends while Take takes
				late()
				return 0, nil
			}
			l.storage = s
			late = func() {
				require.Equal(t, 1, s.dispatcher.Reserve("acme", "default", 1))
				s.began = time.Now()
				s.dispatcher.Start(l)
			}
		}, acme(handled))
		require.NoError(t, stop())
		require.Empty(t, s.times("record"))
		require.Greater(t, len(s.times("give back")), 5)
		require.Equal(t, []time.Duration{2 * time.Second}, s.times("free"))
	})
}

func TestWork_RenewsUntilDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, stop := work(t, inbox.Policy{DrainTimeout: time.Hour}, waits(&leased{id: "a"}), acme(takes(35*time.Second)))
		require.NoError(t, stop())
		require.Equal(t, []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}, s.times("renew"))
		require.Equal(t, []time.Duration{0}, s.times("maintain"), "a draining Run does not maintain")
		require.Equal(t, []time.Duration{35 * time.Second}, s.times("record"))
	})
}

func TestWork_WaitsAfterError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, stop := work(t, inbox.Policy{}, func(s *storage, _ *engine.Storage) { s.takeErr, s.next = errStorage, time.Second }, acme(handled))
		s.dispatcher.Wake()
		time.Sleep(2500 * ms)
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, s.times("take"), "a wake does not shorten the pause")
		require.NoError(t, stop())
		require.Len(t, s.reported, 3)
	})
}

func TestWork_TakesOnWakeAndWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, stop := work(t, inbox.Policy{}, func(s *storage, _ *engine.Storage) { s.next = time.Minute }, acme(handled))
		time.Sleep(time.Second)
		s.dispatcher.Wake()
		time.Sleep(2*time.Minute + time.Second)
		require.Equal(t, []time.Duration{0, time.Second, 61 * time.Second, 121 * time.Second}, s.times("take"))
		require.NoError(t, stop())
	})
}

func TestWork_FollowsHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, runs, stop := work(t, inbox.Policy{}, func(*storage, *engine.Storage) {}, acme(handled))
		eu := &handler{"acme", "eu", handled}
		require.NoError(t, runs.Add(eu))
		synctest.Wait()
		runs.Remove(eu)
		synctest.Wait()
		require.Equal(t, []int{1, 2, 1}, s.followed)
		require.Len(t, s.times("maintain"), 3)
		require.NoError(t, stop())
	})
}

// A handler that was shut down gets no more deliveries, until it is replaced.
func TestWork_StopsHandlerThatWasShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := acme(returns(webhook.Result{Outcome: webhook.Unavailable, Reason: webhook.ReasonShuttingDown}))
		s, runs, stop := work(t, inbox.Policy{Concurrency: 1}, waits(&leased{id: "a"}, &leased{id: "b"}), old)
		require.Len(t, s.times("record"), 1)
		require.Zero(t, s.dispatcher.Reserve("acme", "default", 1))
		require.Equal(t, []int{1, 0}, s.followed)
		runs.Remove(old)
		require.NoError(t, runs.Add(acme(handled)))
		synctest.Wait()
		require.Len(t, s.times("record"), 2)
		require.NoError(t, stop())
	})
}

func TestRuns_MayReportOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs engine.Runs
		require.True(t, runs.MayReport(time.Second))
		require.False(t, runs.MayReport(time.Second))
		time.Sleep(time.Second)
		require.True(t, runs.MayReport(time.Second))
	})
}
