package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The model sends many concurrent deliveries of few keys to several processes with one store. The senders retry until they
// get a 200. Callbacks succeed, fail, panic, call runtime.Goexit, overrun and ignore their context. Processes are shut down
// and replaced. In a calm world every callback ends within its lease. In a slow world some do not. In a broken world the
// store's calls also fail, hang, or lose their results.
//
// Within one process a key must never run twice at once, even after its lease. In another process it may run once the lease
// has ended, and then exactly one Complete is accepted. Each key must complete exactly once.
const (
	calm = iota
	slowWorld
	broken
	worlds
)

const (
	modelSeeds  = 40 // for each world
	modelKeys   = 3
	modelPasses = 8 // runs of a key after which its callback succeeds
	modelAnswer = 4750 * time.Millisecond
	modelFaults = 10 * time.Minute // after which the store has recovered
)

func TestModelOfTheWholeWay(t *testing.T) {
	for world, name := range []string{"calm", "slow", "broken"} {
		for seed := range uint64(modelSeeds) {
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newModel(t, world, seed).play() })
			})
		}
	}
}

type model struct {
	*testing.T
	world   int
	seed    uint64
	twoKeys bool // deliveries have two keys, their content and their id
	stamps  bool // the vendor signs every attempt again, with a new time
	start   time.Time
	store   *recordingStore

	mu        sync.Mutex
	processes []*receiver // those that receive deliveries now
	ended     []*receiver
	active    map[string][]*modelRun
	all       map[string][]*modelRun
	delivered map[string]*webhook.Delivery // as an inbox would store it
}

// A modelRun is one call of a callback.
type modelRun struct {
	process   *receiver
	token     idempotency.Token
	began     time.Time
	finished  time.Time
	succeeded bool
}

func newModel(t *testing.T, world int, seed uint64) *model {
	memory, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	m := &model{
		T: t, world: world, seed: seed, twoKeys: seed%2 == 1, stamps: seed%4 < 2, start: time.Now(),
		active:    make(map[string][]*modelRun),
		all:       make(map[string][]*modelRun),
		delivered: make(map[string]*webhook.Delivery),
	}
	m.store = &recordingStore{
		model: m, Memory: memory,
		leases: make(map[idempotency.Token]time.Time), completed: make(map[string]idempotency.Token),
		failed: make(map[idempotency.Token]bool), calls: make(map[string]int),
	}
	for range 2 + seed%2 {
		m.processes = append(m.processes, m.newProcess())
	}
	return m
}

func (m *model) newProcess() *receiver {
	r := newReceiver(m, webhook.Options{Store: m.store}, func(p *vendors.Profile, _ *vendors.HandlerConfig) {
		p.Attempts, p.GiveUpAfter = 0, 0 // no attempt is the last, so a 2xx means that the delivery is completed
		if m.twoKeys {
			p.DedupKeys = func(a *vendors.Authenticated) vendors.DedupKeys {
				byID, byContent := vendors.ByEventID(a), vendors.ByContent(a)
				return vendors.DedupKeys{ID: byID.ID, Keys: append(byContent.Keys, byID.Keys...)}
			}
		}
	})
	ping.On(r.Handler, func(ctx context.Context, e *Ping) error { return m.callback(ctx, r, e) })
	return r
}

// dice returns the random source for the n-th call of something. It depends only on the seed.
func (m *model) dice(what string, n int) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, what, n)
	return rand.New(rand.NewPCG(m.seed, h.Sum64()))
}

func upTo(dice *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(dice.Int64N(int64(d)))
}

// check is require.True for any goroutine.
func (m *model) check(ok bool, format string, args ...any) {
	if !ok {
		m.Errorf("after %v: %s", time.Since(m.start), fmt.Sprintf(format, args...))
	}
}

func (m *model) callback(ctx context.Context, r *receiver, e *Ping) (err error) {
	run, n := m.begin(ctx, r, e)
	defer func() { m.end(e.ID, run, err) }()
	err = errCallback // unless the callback returns another result
	dice := m.dice("callback"+e.ID, n)
	if n > modelPasses {
		return nil
	}
	switch dice.IntN(10) {
	case 0:
		time.Sleep(upTo(dice, 4*time.Second))
		return nil
	case 1, 2:
		time.Sleep(upTo(dice, 4*time.Second))
		return errCallback
	case 3:
		time.Sleep(upTo(dice, 6*time.Second))
		panic("the callback panics")
	case 4:
		time.Sleep(upTo(dice, 6*time.Second))
		runtime.Goexit()
	case 5, 6:
		select { // is still running when the response is due
		case <-time.After(upTo(dice, 40*time.Second)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	default:
		ignores := 38 * time.Second // runs past the end of its context
		if m.world != calm {
			ignores = 2 * time.Minute // runs past the end of its lease
		}
		time.Sleep(upTo(dice, ignores))
		if dice.IntN(2) == 0 {
			return errCallback
		}
	}
	return nil
}

func (m *model) begin(ctx context.Context, r *receiver, e *Ping) (*modelRun, int) {
	claims, ok := idempotency.ClaimsFromContext(ctx)
	m.check(ok, "no claims in the callback's context")
	run := &modelRun{process: r, token: claims.Token, began: time.Now()}
	key := keyOf(e.ID)
	_, done := m.store.by(key)
	m.check(!done, "%s runs although it was completed", key)

	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.active[e.ID] {
		m.check(other.process != r, "%s runs twice at once in one process", key)
		m.check(!time.Now().Before(m.store.leaseOf(other.token)), "%s runs twice at once although the lease of the first has not ended", key)
	}
	m.active[e.ID] = append(m.active[e.ID], run)
	m.all[e.ID] = append(m.all[e.ID], run)
	m.delivered[e.ID] = e.Delivery()
	return run, len(m.all[e.ID])
}

func (m *model) end(id string, run *modelRun, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	run.succeeded, run.finished = err == nil, time.Now()
	m.active[id] = slices.DeleteFunc(m.active[id], func(r *modelRun) bool { return r == run })
}

func (m *model) play() {
	var senders sync.WaitGroup
	for k := range modelKeys {
		id := fmt.Sprint("key-", k)
		for n := range 2 + m.dice("senders"+id, 0).IntN(6) {
			senders.Go(func() { m.deliverUntilTaken(id, n) })
		}
	}
	var restarts sync.WaitGroup
	restarts.Go(m.restart)
	senders.Wait()
	restarts.Wait()
	time.Sleep(15 * time.Minute) // until all runs and retries have ended
	for _, r := range slices.Concat(m.processes, m.ended) {
		require.NoError(m, r.Shutdown(m.Context()))
		for _, o := range r.observations() {
			m.check(slices.Contains([]webhook.Outcome{
				webhook.Handled, webhook.Duplicate, webhook.InFlight, webhook.Failed, webhook.Unavailable,
			}, o.Outcome), "the outcome %s of %s", o.Outcome, o.ID)
			m.check(m.world == broken || o.Outcome != webhook.Unavailable || o.Reason == webhook.ReasonShuttingDown, "the store was not to fail: %v", o.Err)
		}
	}
	for k := range modelKeys {
		m.audit(fmt.Sprint("key-", k))
	}
}

// audit checks the final state of a key.
func (m *model) audit(id string) {
	winner, done := m.store.by(keyOf(id))
	m.check(done, "%s was lost", id)
	lost := 0 // successes that could not be completed
	succeeded := 0
	for _, run := range m.all[id] {
		if !run.succeeded {
			continue
		}
		succeeded++
		if run.token == winner {
			continue
		}
		lost++
		late := run.finished.After(m.store.leaseOf(run.token)) || run.finished.Equal(m.store.leaseOf(run.token))
		switch m.world {
		case calm:
			m.check(false, "%s succeeded twice, and nothing went wrong", id)
		case slowWorld:
			m.check(late, "%s succeeded twice, within its lease", id)
		default:
			m.check(late || m.store.failed[run.token], "%s succeeded twice, within its lease, and the store took all", id)
		}
	}
	m.check(succeeded == 1+lost, "%s succeeded %d times, of which %d could not be marked", id, succeeded, lost)
	m.check(len(m.active[id]) == 0, "%s still runs", id)
}

// restart shuts a process down while it gets deliveries, and replaces it.
func (m *model) restart() {
	for n := range 3 {
		dice := m.dice("restart", n)
		time.Sleep(upTo(dice, time.Minute))
		m.mu.Lock()
		i := dice.IntN(len(m.processes))
		old := m.processes[i]
		m.mu.Unlock()
		ctx, cancel := context.WithTimeout(m.Context(), upTo(dice, 20*time.Second))
		err := old.Shutdown(ctx) // it still gets deliveries
		cancel()
		var left *webhook.ShutdownError
		m.check(err == nil || errors.As(err, &left) || m.world == broken, "the shutdown: %v", err)
		fresh := m.newProcess()
		m.mu.Lock()
		m.processes[i] = fresh
		m.ended = append(m.ended, old)
		m.mu.Unlock()
	}
}

// deliverUntilTaken sends a delivery until the status is 200.
func (m *model) deliverUntilTaken(id string, sender int) {
	sent := bodyAt(id, m.start)
	for n := range 500 {
		dice := m.dice(fmt.Sprint("sender", id, sender), n)
		time.Sleep(upTo(dice, 5*time.Second))
		m.mu.Lock()
		r := m.processes[dice.IntN(len(m.processes))]
		stored := m.delivered[id]
		m.mu.Unlock()
		if m.stamps {
			sent = body(id)
		}
		arrived := time.Now()
		var result webhook.Result
		if way := dice.IntN(10); way == 0 && stored != nil {
			result = r.Redeliver(m.Context(), restored(m, stored))
		} else {
			ctx, hangUp := m.Context(), context.CancelFunc(func() {})
			if way == 1 {
				ctx, hangUp = context.WithCancel(ctx)
				time.AfterFunc(upTo(dice, 3*time.Second), hangUp)
			}
			request := r.signed(sent)
			result = r.Process(ctx, webhook.Request{Header: request.Header, Body: request.Body})
			hangUp()
			m.check(time.Since(arrived) <= modelAnswer, "%s: the response came after %v: %s", id, time.Since(arrived), result.Outcome)
		}
		if result.Status == 200 {
			m.mu.Lock()
			done := slices.ContainsFunc(m.all[id], func(run *modelRun) bool { return run.succeeded })
			m.mu.Unlock()
			m.check(done, "%s got the status 200 (%s) before any run succeeded", id, result.Outcome)
			return
		}
		if dice.IntN(2) == 0 {
			time.Sleep(result.RetryAfter)
		}
		time.Sleep(upTo(dice, 30*time.Second))
	}
	m.check(false, "%s was refused 500 times", id)
}

// restored returns a delivery as an inbox restores it.
func restored(t testing.TB, d *webhook.Delivery) *webhook.Delivery {
	b, err := json.Marshal(d)
	require.NoError(t, err)
	var back webhook.Delivery
	require.NoError(t, json.Unmarshal(b, &back))
	return &back
}
