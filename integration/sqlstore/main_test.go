// Package sqlstore_test tests sqlstore on real engines: a private PostgreSQL server, and SQLite files.
//
// AIHOOKS_TEST_LONG=1 in the environment runs the crash test in full.
package sqlstore_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// patience is how long a test waits for an event. It is long enough for a busy machine.
const patience = 2 * time.Minute

func full() bool { return os.Getenv("AIHOOKS_TEST_LONG") != "" }

// workers are the functions that this program runs instead of the tests when it is started as a worker.
var workers = map[string]func(){
	"claims":   claimWorker,
	"crashes":  crashWorker,
	"migrates": migrateWorker,
	"receives": receiveWorker,
	"renews":   renewWorker,
	"retakes":  retakeWorker,
}

func TestMain(m *testing.M) {
	if work := workers[os.Getenv("ENGINETEST_WORKER")]; work != nil {
		work()
		return
	}
	_ = flag.Set("test.parallel", "32") // parallel tests mostly wait
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

// A worker is this program in another process.
type worker struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startWorker(t testing.TB, name string, e *engine, dsn string, env ...string) *worker {
	t.Helper()
	w := &worker{cmd: exec.Command(os.Args[0])}
	w.cmd.Env = append(os.Environ(), append(env, "ENGINETEST_WORKER="+name, "ENGINE="+e.name, "DSN="+dsn)...)
	w.cmd.Stderr = os.Stderr
	var err error
	w.stdin, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	w.lines = bufio.NewScanner(stdout)
	require.NoError(t, crashtest.Start(w.cmd))
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
	})
	return w
}

// expect reads one line of the worker's output.
func (w *worker) expect(t testing.TB, want string) {
	t.Helper()
	require.True(t, w.lines.Scan(), "the worker's output ended")
	require.Equal(t, want, w.lines.Text())
}

// check exits the worker if err is not nil.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}
