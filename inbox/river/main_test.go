// The tests start PostgreSQL by package pgtest, which is for Unix only.

//go:build unix

package riverinbox_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

func TestMain(m *testing.M) {
	kit.Main(m, 10, map[string]func() error{"receive": receive, "bench": benchWorker, "crash": runCrashWorker}, pgtest.CloseShared) // the parallel tests mostly wait
}

// A setup is how open opens an instance.
type setup struct {
	dsn     string
	schema  string // of River; empty is the default
	options riverinbox.Options
	config  river.Config
}

// An instance is an open inbox with its client, like one process of a service.
type instance struct {
	pool   *pgxpool.Pool
	box    *riverinbox.Inbox
	client *riverinbox.Client
	once   sync.Once
	t      testing.TB
}

// open opens an inbox, its tables and its client.
func open(t testing.TB, s setup) *instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	pool := poolOf(t, s.dsn)
	makeSchema(t, pool, s.schema)
	if s.schema != "" {
		s.options.Namespace = s.schema
	}
	if s.options.Policy.Logger == nil {
		s.options.Policy.Logger = slog.New(slog.DiscardHandler)
	}
	box, err := riverinbox.New(pool, &s.options)
	require.NoError(t, err)
	config := s.config
	config.Schema = s.schema
	config.TestOnly = true // starts River's maintenance without a delay
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	require.NoError(t, box.Configure(&config))
	require.NoError(t, box.Migrate(ctx))
	client, err := river.NewClient(riverpgxv5.New(pool), &config)
	require.NoError(t, err)
	require.NoError(t, box.Use(ctx, client))
	require.NoError(t, client.Start(context.Background()))
	instance := &instance{pool: pool, box: box, client: client, t: t}
	t.Cleanup(instance.close)
	return instance
}

func poolOf(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = 6
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(t, err)
	return pool
}

// close stops the client and closes the inbox and the pool.
func (s *instance) close() {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
		defer cancel()
		if err := s.client.Stop(ctx); err != nil {
			s.t.Errorf("River's client did not stop: %v", err)
			return // its remaining jobs keep connections
		}
		require.NoError(s.t, s.box.Close())
		s.pool.Close()
	})
}

// rescueOften makes River rescue jobs every few seconds instead of every 30. A new leader rescues at once.
func (s *instance) rescueOften() {
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	go func() {
		every := time.NewTicker(4 * time.Second)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				_ = s.client.Notify().RequestResign(ctx) // fails while the server is down
			}
		}
	}()
}

// makeSchema creates a schema for River's tables.
func makeSchema(t testing.TB, pool *pgxpool.Pool, schema string) {
	t.Helper()
	if schema == "" {
		return
	}
	_, err := pool.Exec(context.Background(), "CREATE SCHEMA IF NOT EXISTS "+schema)
	require.NoError(t, err)
}

func query[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	rows, err := pool.Query(context.Background(), sql, args...)
	require.NoError(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return v
}

// pgtestNew returns the DSN of a database on a separate server, for tests that create roles.
func pgtestNew(t testing.TB) string {
	t.Helper()
	return pgtest.New(t).Database(t)
}
