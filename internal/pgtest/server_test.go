//go:build unix

package pgtest

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

	"github.com/stretchr/testify/require"
)

// TestMain makes this program, when it is told so, one that has a server and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_VICTIM") == "" {
		os.Exit(m.Run())
	}
	s, err := Open()
	if err == nil && os.Getenv("PGTEST_VICTIM") == "paused" {
		err = s.Pause()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.dir)
	select {}
}

// ask runs a statement through psql and returns what it prints.
func (s *Server) ask(within time.Duration, dsn, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	psql := s.command("psql", "-X", "-A", "-t", "-c", statement, dsn)
	cmd := exec.CommandContext(ctx, psql.Path, psql.Args[1:]...)
	cmd.Dir, cmd.Env = psql.Dir, psql.Env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestServerKeepsWhatWasCommittedWhenItIsStoppedOrCrashes(t *testing.T) {
	s := New(t)
	dsn := s.Database(t)
	require.NotEqual(t, dsn, s.Database(t), "every test has a database of its own")
	for i, end := range []func() error{s.Stop, s.Crash} {
		out, err := s.ask(patience, dsn, fmt.Sprintf("CREATE TABLE t%d (n int)", i))
		require.NoError(t, err, out)
		require.NoError(t, end())
		_, err = s.ask(patience, dsn, "SELECT 1")
		require.Error(t, err)
		require.NoError(t, s.Start())
		out, err = s.ask(patience, dsn, fmt.Sprintf("SELECT count(*) FROM t%d", i))
		require.NoError(t, err)
		require.Equal(t, "0", out)
	}
	out, err := s.ask(patience, dsn, "SHOW fsync")
	require.NoError(t, err)
	require.Equal(t, "on", out)
}

func TestPausedServerAnswersNobodyUntilItIsResumed(t *testing.T) {
	s := New(t)
	require.NoError(t, s.Pause())
	_, err := s.ask(500*time.Millisecond, s.DSN("postgres"), "SELECT 1")
	require.Error(t, err)
	require.NoError(t, s.Resume())
	out, err := s.ask(patience, s.DSN("postgres"), "SELECT 1")
	require.NoError(t, err)
	require.Equal(t, "1", out)
	require.NoError(t, s.Pause(), "a paused server can be closed, too")
}

func TestServer_ResumesPastEndedBackend(t *testing.T) {
	s := New(t)
	ended := exec.Command("true")
	require.NoError(t, ended.Run())
	require.NoError(t, s.Pause())
	s.paused = append(s.paused, ended.Process.Pid)
	require.NoError(t, s.Resume())
	out, err := s.ask(patience, s.DSN("postgres"), "SELECT 1")
	require.NoError(t, err, out)
}

func TestServerOfAProcessThatWasKilledIsGoneWithItsFiles(t *testing.T) {
	for _, state := range []string{"running", "paused"} {
		t.Run(state, func(t *testing.T) {
			victim := exec.Command(os.Args[0])
			victim.Env = append(os.Environ(), "PGTEST_VICTIM="+state)
			stdout, err := victim.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, victim.Start())
			lines := bufio.NewScanner(stdout)
			require.True(t, lines.Scan())
			dir := lines.Text()
			require.DirExists(t, dir)
			lock, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.Split(string(lock), "\n")[0])
			require.NoError(t, err)

			require.NoError(t, victim.Process.Kill())
			_ = victim.Wait()
			gone := func() bool {
				_, err := os.Stat(dir)
				return os.IsNotExist(err) && syscall.Kill(pid, 0) == syscall.ESRCH
			}
			require.Eventually(t, gone, patience, 20*time.Millisecond)
		})
	}
}

func TestMissingServerIsSaidInOneLine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find("/nowhere/*/bin")
	require.ErrorContains(t, err, "apt-get install postgresql")
	require.NotContains(t, err.Error(), "\n")
}
