package jetstream_test

import (
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

const maxPayload = 4 << 20

// options returns the options of a server that writes to disk before it acknowledges. Its limits do not depend on the
// free disk and memory.
func options(dir string) *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: maxPayload,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 30,
	}
}

// restartable returns the options of a server that is restarted at the same address. No other process uses that address.
func restartable(t testing.TB) *server.Options {
	t.Helper()
	o := options(t.TempDir())
	o.Host, o.Port = listensAt(t, kit.FreeAddress(t))
	return o
}

// listensAt splits an address for the options of a server.
func listensAt(t testing.TB, address string) (host string, port int) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(t, err)
	return a.IP.String(), a.Port
}

// startServer starts a server in this process until the test ends.
func startServer(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { stopServer(s) })
	require.True(t, s.ReadyForConnections(kit.Patience))
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func newServer(t testing.TB) *server.Server {
	t.Helper()
	return startServer(t, options(filepath.Join(t.TempDir(), "nats")))
}

// requestTimeout is the timeout of requests. A busy machine may take longer than the client's default of 5 s.
const requestTimeout = 30 * time.Second

// dial connects like another process.
func dial(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	return dialWith(t, url, jetstream.WithDefaultTimeout(requestTimeout))
}

func dialWith(t testing.TB, url string, o ...jetstream.JetStreamOpt) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // connections break on purpose
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, o...)
	require.NoError(t, err)
	return js
}

// open opens the inbox, with defaults for tests.
func open(t testing.TB, js jetstream.JetStream, o jetstreaminbox.Options) *jetstreaminbox.Inbox {
	t.Helper()
	o.ServerSyncsAlways = o.ServerSyncsAlways || o.Replicas < jetstreaminbox.DefaultReplicas
	if o.Store == nil {
		o.Store = memory(t)
	}
	if o.Policy.Logger == nil {
		o.Policy.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Policy.Backoff == nil {
		o.Policy.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	box, err := jetstreaminbox.New(t.Context(), js, &o)
	require.NoError(t, err)
	return box
}

func memory(t testing.TB) idempotency.Store {
	t.Helper()
	m, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	return m
}

// A registry has one item for each name.
type registry[T any] struct {
	mu    sync.Mutex
	items map[string]T
}

func (s *registry[T]) get(name string, make func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[string]T{}
	}
	item, ok := s.items[name]
	if !ok {
		item = make()
		s.items[name] = item
	}
	return item
}
