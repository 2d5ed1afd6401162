//go:build unix

package riverinbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// The environment variables of the processes that tests start.
const (
	envDSN   = "RIVERTEST_DSN"
	envLease = "RIVERTEST_LEASE"
)

// receiver returns a function that returns the command of a receiver process.
func receiver(dsn string, lease time.Duration) func() *exec.Cmd {
	return func() *exec.Cmd { return kit.Role("receive", envDSN+"="+dsn, envLease+"="+lease.String()) }
}

// receive is the main function of a receiver process. It waits until the server is up.
func receive() error {
	lease, err := time.ParseDuration(os.Getenv(envLease))
	if err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(os.Getenv(envDSN))
	if err != nil {
		return err
	}
	config.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return err
	}
	box, err := riverinbox.New(pool, &riverinbox.Options{
		Policy: crashtest.Policy(), Lease: lease, Poll: 50 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	rivers := river.Config{JobTimeout: lease / 2, TestOnly: true, Logger: slog.New(slog.DiscardHandler)}
	if err := box.Configure(&rivers); err != nil {
		return err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &rivers)
	if err != nil {
		return err
	}
	if err := retryUntilUp(func(ctx context.Context) error { return box.Use(ctx, client) }); err != nil {
		return err
	}
	if err := retryUntilUp(func(context.Context) error { return client.Start(context.Background()) }); err != nil {
		return err
	}
	r := crashtest.Receiver{
		// A busy machine, or the race detector, must not look like a store that is down.
		Options: webhook.Options{Inbox: box, CallbackTimeout: 2 * time.Second, StoreTimeout: 4 * time.Second},
		Inbox:   box,
		Effect: func(ctx context.Context, name string, wrong error) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO effects VALUES ($1)`, name); err != nil || wrong != nil {
					return errors.Join(err, wrong)
				}
				return box.CompleteTx(ctx, tx)
			})
		},
		Close: func() error {
			ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
			defer cancel()
			if err := client.Stop(ctx); err != nil {
				return fmt.Errorf("stopping River's client: %w", err)
			}
			return box.Close()
		},
	}
	return r.Serve()
}

// retryUntilUp retries until the server is up.
func retryUntilUp(do func(ctx context.Context) error) (err error) {
	for deadline := time.Now().Add(kit.Patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err = do(ctx)
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}

// A testDatabase queries the database directly, without the inbox.
type testDatabase struct {
	t    *testing.T
	pool *pgxpool.Pool
	// client works no queue.
	client *riverinbox.Client
}

// newTestDatabase creates the tables of the receivers.
func newTestDatabase(t *testing.T, dsn string) *testDatabase {
	t.Helper()
	pool := poolOf(t, dsn)
	t.Cleanup(pool.Close)
	box, err := riverinbox.New(pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	require.NoError(t, box.Migrate(t.Context()))
	// The name is not unique: only CompleteTx prevents a second side effect.
	_, err = pool.Exec(t.Context(), `CREATE TABLE effects (name TEXT NOT NULL)`)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return &testDatabase{t, pool, client}
}

// drained waits until no delivery is left to run. A leader rescues every 30 seconds, and when it is elected. So drained
// makes the leader resign every five seconds.
func (s *testDatabase) drained() {
	s.t.Helper()
	var left int
	resign := time.Now()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left = query[int](s.t, s.pool, `SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')`)
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(s.t, "some deliveries do not finish", query[string](s.t, s.pool, `SELECT coalesce(string_agg(
				state || ' ' || (args->>'id') || ' ' || attempt || ' ' || metadata::text, E'\n'), '')
				FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')`))
		}
		if time.Since(resign) > 5*time.Second {
			resign = time.Now()
			require.NoError(s.t, s.client.Notify().RequestResign(s.t.Context()))
		}
	}
}

func (s *testDatabase) count(sql string) int {
	s.t.Helper()
	return query[int](s.t, s.pool, sql)
}

// check checks the invariants of a drained database.
func (s *testDatabase) check(sender *crashtest.Sender, fleet *crashtest.Fleet) {
	t := s.t
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `SELECT name, count(*) FROM effects GROUP BY name`)
	require.NoError(t, err)
	effects := make(map[string]int)
	var name string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		effects[name] = n
		return nil
	})
	require.NoError(t, err)
	invariants := crashtest.Invariants{Deliveries: sender.Deliveries, EventLog: fleet.EventLog, Effects: effects}
	invariants.Check(t)
	stored := s.count(`SELECT count(*) FROM river_job`)
	require.Equal(t, stored, s.count(`SELECT count(*) FROM river_job WHERE state = 'completed'`), "no delivery may be a dead letter")
	for vendor, n := range invariants.Handled() {
		done := query[int](t, s.pool, `SELECT count(*) FROM river_job WHERE args->>'vendor' = $1`, vendor)
		if vendor == "greenflash" { // each attempt has another signature, so the inbox stores all of them, and the store finds the duplicates
			require.GreaterOrEqual(t, done, n, vendor)
			continue
		}
		require.Equal(t, n, done, "stored deliveries of %s, and those whose callback has succeeded", vendor)
	}
	t.Logf("%v; %v; %d stored, %d of them rescued", sender, fleet, stored,
		s.count(`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`))
}
