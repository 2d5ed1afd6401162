//go:build unix

package sqliteinbox_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const envLease = "SQLITETEST_LEASE"

// receiver returns a function that starts this program as a receiver with an inbox in a file and a lease.
func receiver(path string, lease time.Duration) func() *exec.Cmd {
	return func() *exec.Cmd { return kit.Role("receive", envFile+"="+path, envLease+"="+lease.String()) }
}

// receive is the receiver. After a kill, the keys of its callbacks are free ten seconds after their timeout.
func receive() error {
	lease, err := time.ParseDuration(os.Getenv(envLease))
	if err != nil {
		return err
	}
	box, err := sqliteinbox.Open(os.Getenv(envFile), &sqliteinbox.Options{
		Policy: crashtest.Policy(), Lease: lease, Poll: 50 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	// The column is not unique: only CompleteTx prevents a second side effect.
	err = box.Transact(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS effects (name TEXT NOT NULL)`)
		return err
	})
	if err != nil {
		return errors.Join(err, box.Close())
	}
	r := crashtest.Receiver{
		// A machine that is busy with other tests, and the race detector, are no store that is down.
		Options: webhook.Options{Inbox: box, CallbackTimeout: 2 * time.Second, StoreTimeout: 4 * time.Second},
		Inbox:   box,
		Effect: func(ctx context.Context, name string, wrong error) error {
			return box.Transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, `INSERT INTO effects VALUES (?)`, name); err != nil || wrong != nil {
					return errors.Join(err, wrong)
				}
				return box.CompleteTx(ctx, tx)
			})
		},
		Close: box.Close,
	}
	return r.Serve()
}

// drained waits until all deliveries have run, and returns the counts.
func drained(t *testing.T, path string) inbox.Stats {
	t.Helper()
	box, err := sqliteinbox.Open(path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, box.Close()) }()
	var stats inbox.Stats
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		stats, err = box.Stats(t.Context())
		require.NoError(t, err)
		if stats.Pending+stats.Running == 0 {
			return stats
		}
		require.True(t, time.Now().Before(deadline), "not all deliveries have run: %+v", stats)
	}
}

// A file queries an inbox's file directly.
type file struct {
	t  *testing.T
	db *sql.DB
}

func openFile(t *testing.T, path string) file {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return file{t, db}
}

func (f file) count(query string) (n int) {
	f.t.Helper()
	require.NoError(f.t, f.db.QueryRowContext(f.t.Context(), query).Scan(&n))
	return n
}

// retaken returns how many deliveries were taken again after their process was lost.
func (f file) retaken() int {
	f.t.Helper()
	return f.count(`SELECT count(*) FROM aihooks_inbox WHERE attempts LIKE '%"outcome":"lost"%'`)
}

// effects returns how often the file has each side effect.
func (f file) effects() map[string]int {
	f.t.Helper()
	rows, err := f.db.QueryContext(f.t.Context(), `SELECT name, count(*) FROM effects GROUP BY name`)
	require.NoError(f.t, err)
	defer rows.Close()
	effects := make(map[string]int)
	for rows.Next() {
		var name string
		var n int
		require.NoError(f.t, rows.Scan(&name, &n))
		effects[name] = n
	}
	require.NoError(f.t, rows.Err())
	return effects
}

// checkFile checks the accounts of a file that is drained and closed, and that it is whole.
func checkFile(t *testing.T, path string, stats inbox.Stats, sender *crashtest.Sender, fleet *crashtest.Fleet) {
	t.Helper()
	f := openFile(t, path)
	var whole string
	require.NoError(t, f.db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&whole))
	require.Equal(t, "ok", whole)
	accounts := crashtest.Invariants{Deliveries: sender.Deliveries, EventLog: fleet.EventLog, Effects: f.effects()}
	accounts.Check(t)
	require.Zero(t, stats.DeadLettered+stats.Deferred, "%+v", stats)
	require.Equal(t, f.count(`SELECT count(*) FROM aihooks_inbox`), stats.Done)
	require.Equal(t, f.count(`SELECT count(*) FROM aihooks_inbox_body`), stats.Done, "bodies")
	for vendor, n := range accounts.Handled() {
		done := stats.Endpoints[vendor+"/default"].Done
		if vendor == "greenflash" { // signs the time of each attempt: the inbox stores them all, and the idempotency store recognizes them
			require.GreaterOrEqual(t, done, n, vendor)
			continue
		}
		require.Equal(t, n, done, "done deliveries of %s, and completed callbacks", vendor)
	}
	t.Logf("%v; %v; %d stored, %d of them retaken from a killed process", sender, fleet, stats.Done,
		f.retaken())
}
