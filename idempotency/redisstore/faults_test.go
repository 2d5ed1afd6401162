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
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/redistest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestReceiver_SurvivesRedisFaults(t *testing.T) {
	for _, fault := range []struct {
		name    string
		ignores bool // the client ignores deadlines
		do      func(t *testing.T, s *redistest.Server, p *redistest.Proxy, refused func())
	}{
		{"stopped", false, stopped},
		{"killed", false, killed},
		{"paused", false, paused},
		{"paused, and the client ignores deadlines", true, paused},
		{"too slow", false, tooSlow},
		{"too slow, and the client ignores deadlines", true, tooSlow},
		{"losing replies", false, losingReplies},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel() // mostly waits: a claim with a lost reply ends with its lease
			server := redistest.New(t)
			proxy := redistest.NewProxy(t, server)
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ContextTimeoutEnabled: !fault.ignores})
			t.Cleanup(func() { _ = client.Close() })
			endure(t, newStore(t, client, redisstore.Options{}), func(refused func()) { fault.do(t, server, proxy, refused) })
		})
	}
}

// Each fault lasts until deliveries have been refused, because a response does not wait for Redis.

func stopped(t *testing.T, s *redistest.Server, _ *redistest.Proxy, refused func()) {
	s.Stop()
	refused()
	s.Start(t)
}

func killed(t *testing.T, s *redistest.Server, _ *redistest.Proxy, refused func()) {
	s.Kill()
	refused()
	s.Start(t)
}

func paused(_ *testing.T, s *redistest.Server, _ *redistest.Proxy, refused func()) {
	s.Pause()
	refused()
	s.Resume()
}

func tooSlow(_ *testing.T, _ *redistest.Server, p *redistest.Proxy, refused func()) {
	p.Delay(1500 * time.Millisecond)
	refused()
	p.Delay(0)
}

// losingReplies may refuse no delivery, because the client sends the command again.
func losingReplies(_ *testing.T, _ *redistest.Server, p *redistest.Proxy, _ func()) {
	for range 20 {
		p.LoseAnswers(5)
		time.Sleep(50 * time.Millisecond)
	}
}

// endure sends deliveries before, during and after the fault. It sends each until the status is 200.
func endure(t *testing.T, store *redisstore.Store, fault func(refused func())) {
	const senders = 8
	var calls sync.Map // by id
	h, err := newReceiver(webhook.Options{Store: store}, func(_ context.Context, d *webhook.Delivery) error {
		n, _ := calls.LoadOrStore(d.ID, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		time.Sleep(time.Millisecond)
		return nil
	})
	require.NoError(t, err)
	sender := convospheretest.NewSender(t, h, secret)

	var over atomic.Bool
	var sent, refused atomic.Int64
	send := func(id string) bool {
		for range 2 { // twice, like a sender that lost the response
			if err := until(sender, id, func() { refused.Add(1) }); err != nil {
				t.Error(err)
				return false
			}
		}
		sent.Add(1)
		return true
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer over.Store(true)
	for i := range senders {
		wg.Go(func() {
			for n := 0; !over.Load() && send(fmt.Sprintf("%d-%d", i, n)); n++ {
			}
		})
	}
	await := func(n *atomic.Int64, more int64, text string) {
		from := n.Load()
		require.Eventually(t, func() bool { return n.Load() >= from+more }, kit.Patience, 5*time.Millisecond, text)
	}
	await(&sent, 2*senders, "before the fault")
	fault(func() { await(&refused, 2*senders, "refused while the fault lasts") })
	start := time.Now()
	require.True(t, send("after"))
	recovered := time.Since(start)
	await(&sent, 2*senders, "after the fault")
	over.Store(true)
	wg.Wait()
	t.Logf("%d deliveries, %d times 503, %v to recover", sent.Load(), refused.Load(), recovered)

	require.NoError(t, h.Shutdown(t.Context()))
	ran := 0
	calls.Range(func(id, n any) bool {
		ran++
		require.EqualValues(t, 1, n.(*atomic.Int64).Load(), "callbacks for %s", id)
		return true
	})
	require.EqualValues(t, sent.Load(), ran)
}
