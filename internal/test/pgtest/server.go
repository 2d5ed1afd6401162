//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long the server may take to start or stop on a busy machine.
const patience = 2 * time.Minute

// settings make the server small and private. The settings for durability keep their defaults.
const settings = `
listen_addresses = ''
unix_socket_directories = '%s'
max_connections = 200
shared_buffers = 128MB
max_wal_size = 2GB
log_line_prefix = '%%m [%%p] '
`

// A Server is a private PostgreSQL server. Only Database and DSN may be called concurrently.
type Server struct {
	bin, dir  string
	user      *syscall.Credential // nil means the current user
	keeper    *keeper
	postgres  *exec.Cmd
	exited    chan struct{} // closed when postgres has ended
	paused    []int
	databases atomic.Int64
}

// New starts a server and closes it when the test ends. The test fails if the server does not start, or if PostgreSQL is
// not installed.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared is the server of all tests of a package that leave it running.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the server that all tests of the package share. It starts it on the first call. Such tests must not stop
// the server. TestMain must call [CloseShared].
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = Open() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// CloseShared closes the server that [Shared] has started, if any.
func CloseShared() error {
	if shared.server == nil {
		return nil
	}
	return shared.server.Close()
}

// Open starts a server without a test, for example in TestMain. The caller must close the server.
func Open() (*Server, error) {
	bin, err := find(debian)
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("pgtest: %w", err), s.Close())
	}
	return s, nil
}

func (s *Server) open() (err error) {
	if s.user, err = unprivileged(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "pgtest"); err != nil { // not t.TempDir, because a socket's path may have at most 107 bytes
		return err
	}
	if s.user != nil {
		if err := os.Chown(s.dir, int(s.user.Uid), int(s.user.Gid)); err != nil {
			return err
		}
	}
	if s.keeper, err = keep(s.dir, s.user); err != nil {
		return err
	}
	initdb := s.command("initdb", "--pgdata=data", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, settings, s.dir)
	if err = errors.Join(err, conf.Close()); err != nil {
		return err
	}
	return s.Start()
}

// command returns a command for a PostgreSQL program. It runs as the server's user in the server's directory.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...) //nolint:gosec,noctx // found by us, and ended by us
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + s.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user, Setpgid: true} // so that Ctrl-C interrupts only the test
	return cmd
}

// Start starts the server again after Stop or Crash, and waits until it accepts connections. Committed data is kept.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // postgres has opened it too
	s.postgres = s.command("postgres", "-D", "data")
	s.postgres.Stdout, s.postgres.Stderr = log, log
	if err := s.postgres.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.exited = exited
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(exited)
	}(s.postgres)
	for deadline := time.Now().Add(patience); !s.ready(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-exited:
			return fmt.Errorf("postgres exited at startup:\n%s", s.Log())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres was not ready within %v:\n%s", patience, s.Log())
		}
	}
	return nil
}

// ready reads the last line of the server's lock file, as pg_ctl does. It first checks that the file is this server's.
func (s *Server) ready() bool {
	text, _ := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if len(lines) < 8 || lines[0] != strconv.Itoa(s.postgres.Process.Pid) {
		return false
	}
	status := strings.TrimSpace(lines[7])
	return status == "ready" || status == "standby"
}

// Stop shuts the server down in fast mode. Open transactions are rolled back, and connections are closed.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Crash ends the server at once, without a clean shutdown. Start recovers the committed data.
func (s *Server) Crash() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) error {
	if s.postgres == nil || s.postgres.Process == nil {
		return nil
	}
	if err := s.Resume(); err != nil {
		return err
	}
	if err := s.postgres.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("pgtest: postgres did not exit within %v:\n%s", patience, s.Log())
	}
}

// Demote restarts the server as a standby, which refuses writes. It has no primary.
func (s *Server) Demote() error {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "data", "standby.signal"), nil, 0o644); err != nil { //nolint:gosec // the server's user reads it
		return err
	}
	return s.Start()
}

// Promote makes a demoted server a primary again. Its connections stay open.
func (s *Server) Promote() error {
	out, err := s.command("pg_ctl", "promote", "-D", "data").CombinedOutput()
	if err != nil {
		return fmt.Errorf("pgtest: pg_ctl promote: %w\n%s", err, out)
	}
	return nil
}

// Close ends the server and removes its files.
func (s *Server) Close() error {
	err := s.Crash()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	if s.keeper != nil {
		err = errors.Join(err, s.keeper.dismiss())
	}
	return err
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(text)
}

// Dir returns the directory of the server's socket, .s.PGSQL.5432.
func (s *Server) Dir() string { return s.dir }

// DSN returns the DSN of a database of the server, for the superuser. The database is "postgres" or one from Database.
func (s *Server) DSN(database string) string { return s.DSNThrough(s.dir, database) }

// DSNThrough returns the DSN for a proxy of the server, whose socket has the same name in another directory.
func (s *Server) DSNThrough(dir, database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=postgres&sslmode=disable", database, dir)
}

// Database creates a database for one test, and returns its DSN.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	if out, err := s.command("createdb", "--host="+s.dir, "--username=postgres", name).CombinedOutput(); err != nil {
		t.Fatalf("createdb: %v\n%s", err, out)
	}
	return s.DSN(name)
}
