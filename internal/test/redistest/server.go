//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// ErrNotInstalled is returned by [Start] if redis-server is not in PATH.
var ErrNotInstalled = errors.New("redistest: redis-server is not installed; on Debian: apt-get install redis-server")

// patience is how long a server may take to start or stop on a busy machine.
const patience = 2 * time.Minute

// A Server is a private Redis server. It keeps its address when it is stopped and started again.
type Server struct {
	dir  string
	args []string
	addr string

	cmd    *exec.Cmd
	exited chan struct{}
	log    *logtest.LogBuffer
}

// New starts a server and closes it when the test ends. The args are options of redis-server. The test fails if
// redis-server is not installed.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := Start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server. The caller must close it. The args are options of redis-server.
func Start(args ...string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, ErrNotInstalled
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, args: args}
	if s.addr, err = kit.Address(); err == nil {
		err = s.start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// Addr returns the host and port that the server listens on.
func (s *Server) Addr() string { return s.addr }

// Start starts the server again with its data, and returns when it responds.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop shuts the server down, and returns after it has exited.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill kills the server, as a crash does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Pause suspends the server. Its connections stay open, and the kernel accepts new ones.
func (s *Server) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Close ends the server and removes its files.
func (s *Server) Close() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) start() error {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	args := append([]string{
		"--bind", host, "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "local",
	}, s.args...)
	s.cmd = exec.CommandContext(context.Background(), "redis-server", args...) //nolint:gosec // a test sets the options
	s.log = new(logtest.LogBuffer)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.exited = make(chan struct{})
	if err := kit.Start(s.cmd); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	for deadline := time.Now().Add(patience); ; {
		if reply, err := s.Do("PING"); err == nil && reply == "+PONG" {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("redistest: redis-server exited: %s", s.log)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redistest: redis-server did not respond within %v: %s", patience, s.log)
		}
	}
}

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	s.Resume() // a paused process handles no other signal
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// File returns the path of a file in the server's directory.
func (s *Server) File(name string) string { return filepath.Join(s.dir, name) }

func listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
}
