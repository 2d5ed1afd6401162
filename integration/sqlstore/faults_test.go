package sqlstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// A link forwards between clients and the server's socket, and can delay all data.
type link struct {
	dir    string
	delay  atomic.Int64                  // of all data, in both directions
	server atomic.Pointer[pgtest.Server] // for new connections
}

func newLink(t *testing.T, server *pgtest.Server) *link {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	dir, err := os.MkdirTemp("", "link") // not t.TempDir, because a socket's path may have at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	l := &link{dir: dir}
	l.server.Store(server)
	listener, err := net.Listen("unix", filepath.Join(l.dir, socket))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go l.join(client, filepath.Join(l.server.Load().Dir(), socket))
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

// traffic records what a sender without a retry limit sees.
type traffic struct {
	mu       sync.Mutex
	statuses map[int]int // by status
	sent     int
}

func (tr *traffic) count(status int) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.statuses[status]
}

// await waits for n more responses with that status.
func (tr *traffic) await(t *testing.T, n, status int, when string) {
	t.Helper()
	from := tr.count(status)
	kit.Eventually(t, func() bool { return tr.count(status) >= from+n }, when)
}

// deliver sends new deliveries, each until the status is 200. It starts no new delivery after ctx ends.
func (tr *traffic) deliver(ctx context.Context, t *testing.T, url string) {
	for ctx.Err() == nil {
		tr.mu.Lock()
		tr.sent++
		id := fmt.Sprint("event-", tr.sent)
		tr.mu.Unlock()
		for status := 0; status != http.StatusOK; time.Sleep(20 * time.Millisecond) {
			status = send(t, url, id)
			tr.mu.Lock()
			tr.statuses[status]++
			tr.mu.Unlock()
		}
	}
}

func TestReceiver_SurvivesServerFaults(t *testing.T) {
	type fault = func(server *pgtest.Server, link *link) error
	for _, test := range []struct {
		name        string
		begin, heal fault
	}{
		{
			"stopped and started",
			func(server *pgtest.Server, _ *link) error { return server.Stop() },
			func(server *pgtest.Server, _ *link) error { return server.Start() },
		},
		{
			"crashed and started",
			func(server *pgtest.Server, _ *link) error { return server.Crash() },
			func(server *pgtest.Server, _ *link) error { return server.Start() },
		},
		{
			"paused",
			func(server *pgtest.Server, _ *link) error { return server.Pause() },
			func(server *pgtest.Server, _ *link) error { return server.Resume() },
		},
		{
			"slowed",
			func(_ *pgtest.Server, link *link) error { link.delay.Store(int64(700 * time.Millisecond)); return nil },
			func(_ *pgtest.Server, link *link) error { link.delay.Store(0); return nil },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // mostly waits: a claim with a lost response ends with its lease
			server := pgtest.New(t)
			link := newLink(t, server)
			e := engines[0]
			db := e.open(t, server.DSNThrough(link.dir, "postgres"))
			db.SetMaxOpenConns(16)
			db.SetMaxIdleConns(16)
			var mu sync.Mutex
			callbacks := make(map[string]int)
			hook, err := receiver(e.store(t, db, 0), func(id string) {
				mu.Lock()
				defer mu.Unlock()
				callbacks[id]++
			})
			require.NoError(t, err)
			site := httptest.NewServer(hook)
			defer site.Close()

			ctx, stop := context.WithCancel(t.Context())
			tr := &traffic{statuses: make(map[int]int)}
			var senders sync.WaitGroup
			defer senders.Wait()
			defer stop()
			for range 4 {
				senders.Go(func() { tr.deliver(ctx, t, site.URL) })
			}
			tr.await(t, 1, http.StatusOK, "before the fault")
			require.NoError(t, test.begin(server, link))
			tr.await(t, 8, http.StatusServiceUnavailable, "while the fault lasts, waiting deliveries get a response")
			require.NoError(t, test.heal(server, link))
			healed := time.Now()
			tr.await(t, 20, http.StatusOK, "after the fault")
			stop()
			senders.Wait() // no new deliveries, and all are accepted in the end
			t.Logf("%d deliveries, all taken %v after the fault; statuses: %v", tr.sent, time.Since(healed).Round(10*time.Millisecond), tr.statuses)

			require.Len(t, tr.statuses, 2, "200 and 503")
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, callbacks, tr.sent, "deliveries with a callback")
			for id, n := range callbacks {
				require.Equal(t, 1, n, "callbacks for %s", id)
			}
		})
	}
}
