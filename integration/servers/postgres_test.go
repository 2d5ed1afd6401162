//go:build unix

// Package servers_test tests the servers that other tests start: internal/test/pgtest and internal/test/redistest.
package servers_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// patience limits the time of a hanging test.
const patience = time.Minute

// TestMain starts a server and waits if PGTEST_VICTIM is set. TestPostgres_EndsWithKilledProcess runs and kills such a process.
func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_VICTIM") == "" {
		os.Exit(m.Run())
	}
	s, err := pgtest.Open()
	if err == nil && os.Getenv("PGTEST_VICTIM") == "paused" {
		err = s.Pause()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.Dir())
	select {}
}

// query runs a statement on a new connection and returns the last column of the last row.
func query(within time.Duration, dsn, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	results, err := conn.PgConn().Exec(ctx, statement).ReadAll()
	if err != nil {
		return "", err
	}
	text := ""
	for _, result := range results {
		for _, row := range result.Rows {
			text = string(row[len(row)-1])
		}
	}
	return text, nil
}

func TestPostgres_KeepsCommitsThroughStopAndCrash(t *testing.T) {
	s := pgtest.New(t)
	dsn := s.Database(t)
	require.NotEqual(t, dsn, s.Database(t), "each call must create a new database")
	for i, end := range []func() error{s.Stop, s.Crash} {
		_, err := query(patience, dsn, fmt.Sprintf("CREATE TABLE t%d (n int)", i))
		require.NoError(t, err)
		require.NoError(t, end())
		_, err = query(patience, dsn, "SELECT 1")
		require.Error(t, err)
		require.NoError(t, s.Start())
		got, err := query(patience, dsn, fmt.Sprintf("SELECT count(*) FROM t%d", i))
		require.NoError(t, err)
		require.Equal(t, "0", got)
	}
	got, err := query(patience, dsn, "SHOW fsync")
	require.NoError(t, err)
	require.Equal(t, "on", got)
}

func TestPostgres_RespondsOnceResumed(t *testing.T) {
	s := pgtest.New(t)
	require.NoError(t, s.Pause())
	_, err := query(500*time.Millisecond, s.DSN("postgres"), "SELECT 1") // short, because a paused server never responds
	require.Error(t, err)
	require.NoError(t, s.Resume())
	got, err := query(patience, s.DSN("postgres"), "SELECT 1")
	require.NoError(t, err)
	require.Equal(t, "1", got)
	require.NoError(t, s.Pause(), "a paused server must be closable")
}

func TestPostgres_EndsWithKilledProcess(t *testing.T) {
	for _, state := range []string{"running", "paused"} {
		t.Run(state, func(t *testing.T) {
			victim := exec.Command(os.Args[0]) //nolint:gosec,noctx // the test binary, killed below
			victim.Env = append(os.Environ(), "PGTEST_VICTIM="+state)
			stdout, err := victim.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, victim.Start())
			lines := bufio.NewScanner(stdout)
			require.True(t, lines.Scan())
			dir := lines.Text()
			require.DirExists(t, dir)
			lock, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid")) //nolint:gosec // a file of the test's server
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.Split(string(lock), "\n")[0])
			require.NoError(t, err)

			require.NoError(t, victim.Process.Kill())
			_ = victim.Wait()
			require.Eventually(t, func() bool {
				_, err := os.Stat(dir)
				return os.IsNotExist(err) && syscall.Kill(pid, 0) == syscall.ESRCH
			}, 2*patience, 20*time.Millisecond)
		})
	}
}
