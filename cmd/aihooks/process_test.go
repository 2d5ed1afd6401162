package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// asAihooks is set in the environment of a child process. It makes the test binary run as aihooks.
const asAihooks = "TEST_AS_AIHOOKS"

func TestMain(m *testing.M) {
	if os.Getenv(asAihooks) != "" {
		main()
	}
	os.Exit(m.Run())
}

const secret = "secret-of-the-tests-0123456789"

// secrets returns an environment with the secrets of all vendors.
func secrets() map[string]string {
	env := map[string]string{"EMBERQA_WEBHOOK_TOKEN": secret}
	for _, name := range allvendors.Names() {
		env[strings.ToUpper(name)+"_WEBHOOK_SECRET"] = secret
	}
	return env
}

func aihooks(t *testing.T, env map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // long, because some tests start many processes meanwhile
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = []string{asAihooks + "=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=10"} // otherwise, each process exits a second later
	for name, value := range env {
		c.Env = append(c.Env, name+"="+value)
	}
	c.Dir = t.TempDir()
	prepareForSignals(c)
	return c
}

// A result is the output and the exit code of a process.
type result struct {
	out, err string
	code     int
}

// run runs aihooks with all secrets until it exits.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, aihooks(t, secrets(), args...))
}

func finish(t *testing.T, c *exec.Cmd) result {
	t.Helper()
	var out, text bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &out
	}
	c.Stderr = &text
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	r := result{out.String(), text.String(), c.ProcessState.ExitCode()}
	require.NotContains(t, r.out+r.err, secret, "no output may contain a secret")
	require.NotContains(t, r.out+r.err, "\x1b", "output that is not to a terminal must have no escape sequences")
	return r
}

func (r result) is(t *testing.T, code int) result {
	t.Helper()
	require.Equal(t, code, r.code, "stdout:\n%s\nstderr:\n%s", r.out, r.err)
	return r
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// A service receives a vendor's deliveries, and records the events of its callbacks.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	events []webhook.AnyEvent
}

func newService(t *testing.T, vendor string) *service {
	t.Helper()
	v, err := allvendors.Find(vendor)
	require.NoError(t, err)
	h, err := v.NewHandler(secret, &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := new(service)
	h.OnEvent(func(_ context.Context, e webhook.AnyEvent) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
		return nil
	})
	s.Server = httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func (s *service) seen() []webhook.AnyEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]webhook.AnyEvent(nil), s.events...)
}

// hanging returns the URL of a server that never responds, and a channel that receives a value for each request.
func hanging(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	ch := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ch <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s.URL, ch
}

// down returns a URL where nothing listens.
func down(t *testing.T) string {
	t.Helper()
	return "http://" + kit.FreeAddress(t) // no other test gets it
}

// A job is an aihooks process that keeps running.
type job struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *bufio.Scanner
	err   *bufio.Scanner
	ended bool
}

func begin(t *testing.T, c *exec.Cmd) *job {
	t.Helper()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	text, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	j := &job{t: t, cmd: c, out: bufio.NewScanner(spool(out)), err: bufio.NewScanner(spool(text))}
	j.out.Buffer(nil, 8<<20)
	t.Cleanup(func() {
		if !j.ended {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	return j
}

// A spooled reads a stream in the background, because a pipe on Windows holds only 4 KiB.
type spooled struct {
	chunks chan []byte
	rest   []byte
}

func spool(r io.Reader) *spooled {
	s := &spooled{chunks: make(chan []byte, 1<<16)}
	go func() {
		defer close(s.chunks)
		for {
			chunk := make([]byte, 4096)
			n, err := r.Read(chunk)
			s.chunks <- chunk[:n]
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *spooled) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		var ok bool
		if s.rest, ok = <-s.chunks; !ok {
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// line returns the next line that contains a text.
func line(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
	}
	require.Fail(t, "the output ended", "before a line with %q", text)
	return ""
}

// stop sends a signal to the job, and returns its exit code.
func (j *job) stop(signal os.Signal) int {
	j.t.Helper()
	require.NoError(j.t, sendSignal(j.cmd, signal))
	return j.wait()
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// wait waits until the job exits, and returns its exit code.
func (j *job) wait() int {
	for j.out.Scan() {
	}
	for j.err.Scan() {
	}
	_ = j.cmd.Wait()
	j.ended = true
	return j.cmd.ProcessState.ExitCode()
}

func redirect(t *testing.T, to string) string {
	t.Helper()
	s := httptest.NewServer(http.RedirectHandler(to, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	return s.URL
}
