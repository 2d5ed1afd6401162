package sqlstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/pgtest"
)

// lossOfClaim is how long a delivery may be refused after the fault is over: a claim whose answer was lost, and that
// could not be released, ends with its lease.
const lossOfClaim = 11 * time.Second

// A link stands between a client and the server's socket, and can slow everything down.
type link struct {
	dir   string
	delay atomic.Int64 // of everything that passes, either way
}

func newLink(t *testing.T, server *pgtest.Server) *link {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	l := &link{dir: t.TempDir()}
	listener, err := net.Listen("unix", filepath.Join(l.dir, socket))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go l.join(client, filepath.Join(server.Dir(), socket))
		}
	}()
	return l
}

func (l *link) join(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	carry := func(to io.Writer, from io.Reader) {
		defer client.Close()
		defer server.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			time.Sleep(time.Duration(l.delay.Load()))
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go carry(server, client)
	carry(client, server)
}

// Traffic is what a sender sees that does not give up.
type traffic struct {
	mu       sync.Mutex
	statuses map[int]int // since the last call of seen
	slowest  time.Duration
	sent     int
}

// seen returns the answers since it was last called.
func (tr *traffic) seen() map[int]int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	seen := tr.statuses
	tr.statuses = make(map[int]int)
	return seen
}

// deliver sends new deliveries, each until it is taken, and stops beginning new ones when ctx ends.
func (tr *traffic) deliver(ctx context.Context, t *testing.T, url string) {
	for ctx.Err() == nil {
		tr.mu.Lock()
		tr.sent++
		id := fmt.Sprint("event-", tr.sent)
		tr.mu.Unlock()
		for status := 0; status != http.StatusOK; {
			var took time.Duration
			status, took = send(t, url, id)
			tr.mu.Lock()
			tr.statuses[status]++
			tr.slowest = max(tr.slowest, took)
			tr.mu.Unlock()
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestReceiverOutlivesFaultsOfTheServer(t *testing.T) {
	server := pgtest.New(t)
	link := newLink(t, server)
	for _, fault := range []struct {
		name        string
		begin, heal func() error
	}{
		{"stopped and started", server.Stop, server.Start},
		{"crashed and started", server.Crash, server.Start},
		{"paused", server.Pause, server.Resume},
		{
			"slowed",
			func() error { link.delay.Store(int64(700 * time.Millisecond)); return nil },
			func() error { link.delay.Store(0); return nil },
		},
	} {
		t.Run(fault.name, func(t *testing.T) {
			e := engines[0]
			db := e.open(t, server.DSNThrough(link.dir, "postgres"))
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			store := e.store(t, db, 0)
			_, err := db.Exec(`TRUNCATE aihooks_idempotency`)
			require.NoError(t, err)

			var mu sync.Mutex
			callbacks := make(map[string]int)
			hook, err := receiver(store, func(id string) {
				mu.Lock()
				defer mu.Unlock()
				callbacks[id]++
			})
			require.NoError(t, err)
			site := httptest.NewServer(hook)
			defer site.Close()

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			tr := &traffic{statuses: make(map[int]int)}
			var senders sync.WaitGroup
			for range 4 {
				senders.Go(func() { tr.deliver(ctx, t, site.URL) })
			}
			flows := func() bool { return tr.seen()[http.StatusOK] > 0 }
			require.Eventually(t, flows, 10*time.Second, 200*time.Millisecond, "before the fault")

			require.NoError(t, fault.begin())
			tr.seen()
			time.Sleep(3 * time.Second)
			during := tr.seen()
			require.NoError(t, fault.heal())
			healed := time.Now()
			require.Eventually(t, flows, 10*time.Second, 10*time.Millisecond, "after the fault")
			t.Logf("answers during the fault: %v; flowing again after %v", during, time.Since(healed).Round(10*time.Millisecond))
			require.Positive(t, during[http.StatusServiceUnavailable])

			time.Sleep(time.Second)
			stop()
			senders.Wait() // nothing is sent anew, and everything is taken in the end
			require.Less(t, time.Since(healed), lossOfClaim+10*time.Second)
			t.Logf("%d deliveries, slowest answer %v, all taken %v after the fault", tr.sent, tr.slowest.Round(10*time.Millisecond), time.Since(healed).Round(10*time.Millisecond))

			for status := range tr.seen() {
				require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, status)
			}
			for status := range during {
				require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, status)
			}
			require.Less(t, tr.slowest, answerTime)
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, callbacks, tr.sent, "deliveries that were called back")
			for id, n := range callbacks {
				require.Equal(t, 1, n, "callbacks for %s", id)
			}
		})
	}
}
