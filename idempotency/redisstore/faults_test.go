//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/internal/redistest"
	"github.com/aihooks/aihooks-go/webhook"
)

// answerWithin is what a sender is promised: Convosphere waits for 5 s.
const answerWithin = 5 * time.Second

func TestReceiverOutlivesWhatHappensToRedis(t *testing.T) {
	for _, fault := range []struct {
		name    string
		ignores bool // the client ignores deadlines
		do      func(t *testing.T, s *redistest.Server, p *redistest.Proxy)
	}{
		{"stopped", false, stopped},
		{"killed", false, killed},
		{"paused", false, paused},
		{"paused, and the client ignores deadlines", true, paused},
		{"too slow", false, tooSlow},
		{"too slow, and the client ignores deadlines", true, tooSlow},
		{"losing answers", false, losingAnswers},
	} {
		t.Run(fault.name, func(t *testing.T) {
			server := redistest.New(t)
			proxy := redistest.NewProxy(t, server)
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ContextTimeoutEnabled: !fault.ignores})
			t.Cleanup(func() { _ = client.Close() })
			endure(t, newStore(t, client, redisstore.Options{}), func() { fault.do(t, server, proxy) })
		})
	}
}

func stopped(t *testing.T, s *redistest.Server, _ *redistest.Proxy) {
	s.Stop()
	time.Sleep(2 * time.Second)
	s.Start(t)
}

func killed(t *testing.T, s *redistest.Server, _ *redistest.Proxy) {
	s.Kill()
	time.Sleep(500 * time.Millisecond)
	s.Start(t)
}

func paused(_ *testing.T, s *redistest.Server, _ *redistest.Proxy) {
	s.Pause()
	time.Sleep(3 * time.Second)
	s.Resume()
}

func tooSlow(_ *testing.T, _ *redistest.Server, p *redistest.Proxy) {
	p.Delay(1500 * time.Millisecond)
	time.Sleep(3 * time.Second)
	p.Delay(0)
}

func losingAnswers(_ *testing.T, _ *redistest.Server, p *redistest.Proxy) {
	for range 20 {
		p.LoseAnswers(5)
		time.Sleep(50 * time.Millisecond)
	}
}

// endure sends deliveries before, during and after the fault, each until it is answered 200.
func endure(t *testing.T, store *redisstore.Store, fault func()) {
	const senders = 8
	var calls sync.Map // by id
	h, err := newReceiver(store, func(_ context.Context, d *webhook.Delivery) error {
		n, _ := calls.LoadOrStore(d.ID, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		time.Sleep(time.Millisecond)
		return nil
	})
	require.NoError(t, err)
	sender := convospheretest.NewSender(t, h, secret)

	var over atomic.Bool
	var mu sync.Mutex
	var sent, refused int
	var slowest time.Duration
	send := func(id string) bool {
		for range 2 { // once more, as a sender that has lost the answer
			n, took, err := until(sender, id, 20*time.Second)
			mu.Lock()
			refused, slowest = refused+n, max(slowest, took)
			mu.Unlock()
			if err != nil {
				t.Error(err)
				return false
			}
		}
		mu.Lock()
		defer mu.Unlock()
		sent++
		return true
	}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := 0; !over.Load() && send(fmt.Sprintf("%d-%d", i, n)); n++ {
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	fault()
	start := time.Now()
	require.True(t, send("after"))
	recovered := time.Since(start)
	time.Sleep(300 * time.Millisecond)
	over.Store(true)
	wg.Wait()
	t.Logf("%d deliveries, %d times 503, the slowest answer after %v; %v to recover", sent, refused, slowest, recovered)

	require.NoError(t, h.Shutdown(t.Context()))
	require.Less(t, slowest, answerWithin)
	require.Less(t, recovered, 5*time.Second)
	ran := 0
	calls.Range(func(id, n any) bool {
		ran++
		require.EqualValues(t, 1, n.(*atomic.Int64).Load(), "callbacks for %s", id)
		return true
	})
	require.Equal(t, sent, ran)
}
