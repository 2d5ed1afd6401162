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

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/crashtest"
	"github.com/aihooks/aihooks-go/webhook"
)

// What this program does in place of the tests, when it is started as a process of its own.
const (
	envWork  = "RIVERTEST_WORK"
	envDSN   = "RIVERTEST_DSN"
	envLease = "RIVERTEST_LEASE"
)

// receiver returns what starts this program as a receiver.
func receiver(dsn string, lease time.Duration) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envWork+"=receive", envDSN+"="+dsn, envLease+"="+lease.String())
		return cmd
	}
}

// receive is the receiver. It waits for a server that is not there.
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
		Policy: inbox.Policy{
			MaxAttempts:  1000,
			Backoff:      func(n int) time.Duration { return time.Duration(min(n, 20)) * 10 * time.Millisecond },
			DrainTimeout: 5 * time.Second,
			Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		},
		Lease: lease,
		Poll:  50 * time.Millisecond,
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
	if err := untilThere(func(ctx context.Context) error { return box.Use(ctx, client) }); err != nil {
		return err
	}
	if err := untilThere(func(context.Context) error { return client.Start(context.Background()) }); err != nil {
		return err
	}
	r := crashtest.Receiver{
		// A machine that is busy with other tests, and the race detector, are no store that is down.
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
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := client.Stop(ctx); err != nil {
				return fmt.Errorf("stopping River's client: %w", err)
			}
			return box.Close()
		},
	}
	return r.Serve()
}

// untilThere tries until the server is there.
func untilThere(do func(ctx context.Context) error) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err = do(ctx)
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}

// A station is what a test asks the database, past the inbox.
type station struct {
	t    *testing.T
	pool *pgxpool.Pool
	// notify is a client that works nothing.
	client *riverinbox.Client
}

// newStation makes the tables that receivers expect.
func newStation(t *testing.T, dsn string) *station {
	t.Helper()
	pool := poolOf(t, dsn)
	t.Cleanup(pool.Close)
	box, err := riverinbox.New(pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	require.NoError(t, box.Migrate(t.Context()))
	// Not unique: only CompleteTx keeps a second side effect out.
	_, err = pool.Exec(t.Context(), `CREATE TABLE effects (name TEXT NOT NULL)`)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return &station{t, pool, client}
}

// drained waits until nothing is left to be run. The leader looks for what processes have left behind every 30 seconds, and as
// soon as it is the leader: so another has to be.
func (s *station) drained() {
	s.t.Helper()
	var left int
	resign := time.Now()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left = query[int](s.t, s.pool, `SELECT count(*) FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')`)
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(s.t, "deliveries are not worked off", query[string](s.t, s.pool, `SELECT coalesce(string_agg(
				state || ' ' || (args->>'id') || ' ' || attempt || ' ' || metadata::text, E'\n'), '')
				FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded')`))
		}
		if time.Since(resign) > 5*time.Second {
			resign = time.Now()
			require.NoError(s.t, s.client.Notify().RequestResign(s.t.Context()))
		}
	}
}

func (s *station) count(sql string) int {
	s.t.Helper()
	return query[int](s.t, s.pool, sql)
}

// check checks the accounts of a database that is drained.
func (s *station) check(sender *crashtest.Sender, fleet *crashtest.Fleet) {
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
	accounts := crashtest.Invariants{Deliveries: sender.Deliveries, EventLog: fleet.EventLog, Effects: effects}
	accounts.Check(t)
	stored := s.count(`SELECT count(*) FROM river_job`)
	require.Equal(t, stored, s.count(`SELECT count(*) FROM river_job WHERE state = 'completed'`), "none is a dead letter")
	for vendor, n := range accounts.Handled() {
		done := query[int](t, s.pool, `SELECT count(*) FROM river_job WHERE args->>'vendor' = $1`, vendor)
		if vendor == "greenflash" { // signs the time of each attempt: the inbox takes them all, and the store knows better
			require.GreaterOrEqual(t, done, n, vendor)
			continue
		}
		require.Equal(t, n, done, "stored deliveries of %s, and those whose callback has done its work", vendor)
	}
	t.Logf("%v; %v; %d stored, %d of them rescued", sender, fleet, stored,
		s.count(`SELECT count(*) FROM river_job WHERE metadata ? 'river:rescue_count'`))
}
