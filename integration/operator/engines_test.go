//go:build unix

package operator_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

var tool string // the path of aihooks

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "operator")
	if err != nil {
		panic(err)
	}
	tool = filepath.Join(dir, "aihooks")
	if out, err := exec.Command("go", "build", "-o", tool, "github.com/aihooks/aihooks-go/cmd/aihooks").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	if err := pgtest.CloseShared(); err != nil {
		panic(err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// An engine opens the inbox of a service, and returns the address of the inbox for the tool.
type engine struct {
	name string
	open func(t *testing.T, p inbox.Policy) (box inbox.Inbox, from string)
}

var engines = []engine{
	{"sqlite", openSQLite},
	{"river", openRiver},
	{"jetstream", openJetStream},
}

func openSQLite(t *testing.T, p inbox.Policy) (inbox.Inbox, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inbox.db")
	box, err := sqliteinbox.Open(path, &sqliteinbox.Options{Policy: p, MinFree: -1, Poll: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	return box, "sqlite:" + path
}

func openRiver(t *testing.T, p inbox.Policy) (inbox.Inbox, string) {
	t.Helper()
	dsn := pgtest.Shared(t).Database(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	box, err := riverinbox.New(pool, &riverinbox.Options{Policy: p, Poll: 20 * time.Millisecond, FetchCooldown: 5 * time.Millisecond})
	require.NoError(t, err)
	require.NoError(t, box.Migrate(t.Context()))
	config := &river.Config{Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, box.Configure(config))
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(pool), config)
	require.NoError(t, err)
	require.NoError(t, box.Use(t.Context(), client))
	require.NoError(t, client.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() {
		require.NoError(t, client.Stop(context.Background()))
		require.NoError(t, box.Close())
	})
	return box, "river:" + dsn
}

func openJetStream(t *testing.T, p inbox.Policy) (inbox.Inbox, string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		SyncAlways: true, MaxPayload: 4 << 20, JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 30,
	})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(kit.Patience))
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.Timeout(kit.Patience))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(kit.Patience))
	require.NoError(t, err)
	store, err := idempotency.NewMemory(nil)
	require.NoError(t, err)
	box, err := jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Policy: p, Store: store, ServerSyncsAlways: true})
	require.NoError(t, err)
	return box, "jetstream:" + s.ClientURL()
}
