//go:build unix

package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/internal/crashtest"
)

// ErrNotInstalled is returned by [Start] when there is no redis-server in the path.
var ErrNotInstalled = errors.New("redistest: redis-server is not installed; on Debian: apt-get install redis-server")

// patience is how long a server may take to start or to stop, on a machine that is busy with other things.
const patience = 2 * time.Minute

// A Server is a private Redis server, whose address stays the same while it is stopped and started.
type Server struct {
	dir  string
	args []string
	addr string

	cmd    *exec.Cmd
	exited chan struct{}
	log    *output
}

// New starts a server for the time of a test. The args are options of redis-server. The test fails if none is
// installed.
func New(t testing.TB, args ...string) *Server {
	t.Helper()
	s, err := Start(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server, which the caller must Close. The args are options of redis-server.
func Start(args ...string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, ErrNotInstalled
	}
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, args: args}
	if s.addr, err = crashtest.Address(); err == nil {
		err = s.start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// Addr is the host and port that the server listens on.
func (s *Server) Addr() string { return s.addr }

// Start starts the server again, with the data that it had, and returns once it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop asks the server to end, and returns once it has.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Pause stops the server from running; its connections stay open, and new ones are accepted by the kernel.
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
	s.cmd = exec.CommandContext(context.Background(), "redis-server", args...) //nolint:gosec // the options are a test's
	s.log = new(output)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.exited = make(chan struct{})
	if err := crashtest.Start(s.cmd); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	for deadline := time.Now().Add(patience); ; {
		if answer, err := s.Do("PING"); err == nil && answer == "+PONG" {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("redistest: redis-server ended: %s", s.log)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redistest: redis-server did not answer within %v: %s", patience, s.log)
		}
	}
}

func (s *Server) end(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	s.Resume() // a paused process takes no other signal
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// File is the path of a file in the server's directory.
func (s *Server) File(name string) string { return filepath.Join(s.dir, name) }

func listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
}

// output is what a server has printed.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
