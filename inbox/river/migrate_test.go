//go:build unix

package riverinbox_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

func TestMigrate_RunsFromAllReplicasAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	for name, c := range map[string]struct {
		schema      string
		connections int32
		version     int // of River's tables before the test; zero for no tables
	}{
		"empty database":              {"", 4, 0},
		"pools of one connection":     {"", 1, 0},
		"tables of an older River":    {"", 4, 4},
		"schema other than the first": {"hooks", 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, ctx := server.Database(t), t.Context()
			discard := slog.New(slog.DiscardHandler)
			setUp := poolOf(t, dsn)
			defer setUp.Close()
			if c.schema != "" {
				_, err := setUp.Exec(ctx, "CREATE SCHEMA "+c.schema)
				require.NoError(t, err)
			}
			if c.version > 0 {
				old, err := rivermigrate.New(riverpgxv5.New(setUp), &rivermigrate.Config{Logger: discard})
				require.NoError(t, err)
				_, err = old.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{TargetVersion: c.version})
				require.NoError(t, err)
			}
			errs := make(chan error, 5)
			var all sync.WaitGroup
			for range cap(errs) {
				all.Go(func() { errs <- migrateReplica(ctx, dsn, c.schema, c.connections) })
			}
			all.Wait()
			for range cap(errs) {
				require.NoError(t, <-errs)
			}
			after, err := rivermigrate.New(riverpgxv5.New(setUp), &rivermigrate.Config{Schema: c.schema, Logger: discard})
			require.NoError(t, err)
			done, err := after.Validate(ctx, nil)
			require.NoError(t, err)
			require.True(t, done.OK, done.Messages)
			kit.Eventually(t, func() bool { // the server ends a closed connection a little later
				return query[int](t, setUp, `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0
			})
		})
	}
}

// migrateReplica does what a replica does when it starts.
func migrateReplica(ctx context.Context, dsn, schema string, connections int32) error {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	o := riverinbox.Options{Namespace: "replicas", Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}}
	box, err := riverinbox.New(pool, &o)
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }()
	if err := box.Configure(&river.Config{Schema: schema}); err != nil {
		return err
	}
	return box.Migrate(ctx)
}

func TestMigrate_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t).Database(t)
	pool := poolOf(t, dsn)
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(7165084902356124776)`) // the lock of a replica that hangs
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, migrateReplica(ctx, dsn, "", 1), context.DeadlineExceeded)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, migrateReplica(t.Context(), dsn, "", 1), "the first call must not keep the lock")
}
