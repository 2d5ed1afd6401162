// The tests start PostgreSQL by package pgtest, which is for Unix only.

//go:build unix

package riverinbox_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/pgtest"
)

func TestMain(m *testing.M) {
	if work := map[string]func() error{"receive": receive, "bench": benchWorker, "doom": doom}[os.Getenv(envWork)]; work != nil {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, os.Getenv(envWork)+":", err)
			os.Exit(1)
		}
		return
	}
	_ = flag.Set("test.parallel", "16") // what runs in parallel here waits most of the time
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared is the PostgreSQL server of all tests that leave it running.
var shared struct {
	once   sync.Once
	server *pgtest.Server
	err    error
}

func postgres(t testing.TB) *pgtest.Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = pgtest.Open() })
	require.NoError(t, shared.err)
	return shared.server
}

// A setup says how a site is opened.
type setup struct {
	dsn     string
	schema  string // of River; empty is the usual one
	options riverinbox.Options
	config  river.Config
}

// A site is a process that has opened the inbox.
type site struct {
	pool   *pgxpool.Pool
	box    *riverinbox.Inbox
	client *riverinbox.Client
	once   sync.Once
	t      testing.TB
}

// open opens an inbox, its tables and its client.
func open(t testing.TB, s setup) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
	config.TestOnly = true // which has River's maintenance start at once
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	require.NoError(t, box.Configure(&config))
	require.NoError(t, box.Migrate(ctx))
	client, err := river.NewClient(riverpgxv5.New(pool), &config)
	require.NoError(t, err)
	require.NoError(t, box.Use(ctx, client))
	require.NoError(t, client.Start(context.Background()))
	site := &site{pool: pool, box: box, client: client, t: t}
	t.Cleanup(site.close)
	return site
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

// close ends a site as a process should, or as it must.
func (s *site) close() {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.client.Stop(ctx); err != nil {
			s.t.Errorf("River's client did not stop: %v", err)
			return // what it has left keeps connections
		}
		require.NoError(s.t, s.box.Close())
		s.pool.Close()
	})
}

// hurry has River look for what processes have left behind every few seconds, rather than every 30: as a new leader does at
// once.
func (s *site) hurry() {
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
				_ = s.client.Notify().RequestResign(ctx) // if the server is there
			}
		}
	}()
}

// makeSchema makes a schema for River's tables.
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

// pgtestNew returns the DSN of a database on its own server, for tests that make roles.
func pgtestNew(t testing.TB) string {
	t.Helper()
	return pgtest.New(t).Database(t)
}
