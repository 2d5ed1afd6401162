package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// A terminal records what commands write on it.
type terminal struct {
	work string

	mu       sync.Mutex
	recorded bytes.Buffer
	secrets  []string
}

func newTerminal(work string) *terminal { return &terminal{work: work} }

func newSecret(vendor string) string { return vendor + "_WEBHOOK_SECRET=" + rand.Text() }

// Write records what is written.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded.Write(p)
}

// text returns what was written until now.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded.String()
}

// check refuses a recording that has in it what is nobody's business.
func (t *terminal) check() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, private := range append([]string{t.work, host}, t.secrets...) {
		if strings.Contains(t.text(), private) {
			return errors.New("the recording has a secret, a path or the machine's name in it")
		}
	}
	return nil
}

var pageURL = regexp.MustCompile(`page: (\S+)`)

// page returns the address of the page that a command has printed, with its token.
func (t *terminal) page() (string, error) {
	found := pageURL.FindStringSubmatch(t.text())
	if found == nil {
		return "", fmt.Errorf("no page was printed: %s", t.text())
	}
	return found[1], nil
}

// begin runs a command line on the terminal. The function that it returns ends it, as Ctrl-C does, and waits.
func (t *terminal) begin(ctx context.Context, env []string, line string) (end func(), err error) {
	_, _ = fmt.Fprintf(t, "\x1b[32m$\x1b[0m \x1b[1m%s\x1b[0m\r\n", line)
	c := exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+line) //nolint:gosec // the lines are those of this program
	c.Dir = t.work
	c.Env = append([]string{"TERM=xterm-256color", "HOME=" + t.work, "PATH=" + filepath.Join(t.work, "bin")}, env...)
	for _, e := range env {
		if _, secret, ok := strings.Cut(strings.TrimSpace(e), "="); ok {
			t.secrets = append(t.secrets, secret)
		}
	}
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: 50, Cols: columns})
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(t, f) // until the command has ended, which is an error of its own on a terminal
		_ = c.Wait()         // one that fails says so on the terminal
		_ = f.Close()
	}()
	return func() {
		_ = c.Process.Signal(syscall.SIGINT) // it may have ended
		<-done
	}, nil
}

// run runs a command line to its end.
func (t *terminal) run(ctx context.Context, env []string, line string) error {
	before := t.text()
	end, err := t.begin(ctx, env, line)
	if err != nil {
		return err
	}
	err = t.untilAfter(len(before)+len(line), "ANSWER", "\n", "\n")
	end()
	return err
}

// until waits until texts stand on the terminal, one after the other.
func (t *terminal) until(texts ...string) error { return t.untilAfter(0, texts...) }

func (t *terminal) untilAfter(start int, texts ...string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		rest, found := t.text()[start:], true
		for _, text := range texts {
			_, after, ok := strings.Cut(rest, text)
			rest, found = after, found && ok
		}
		if found {
			return nil
		}
	}
	return fmt.Errorf("%q did not come: %s", texts, t.text())
}
