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

// A terminal records the output of commands.
type terminal struct {
	work string

	mu       sync.Mutex
	recorded bytes.Buffer
	secrets  []string
}

func newTerminal(work string) *terminal { return &terminal{work: work} }

func newSecret(vendor string) string { return vendor + "_WEBHOOK_SECRET=" + rand.Text() }

// Write appends to the recording.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded.Write(p)
}

// text returns the recording so far.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded.String()
}

// check returns an error if the recording contains private data.
func (t *terminal) check() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, private := range append([]string{t.work, host}, t.secrets...) {
		if strings.Contains(t.text(), private) {
			return errors.New("the recording contains a secret, a path or the name of the machine")
		}
	}
	return nil
}

var pageURL = regexp.MustCompile(`page: (\S+)`)

// page returns the printed URL of the page, with its token.
func (t *terminal) page() (string, error) {
	found := pageURL.FindStringSubmatch(t.text())
	if found == nil {
		return "", fmt.Errorf("no URL of a page was printed: %s", t.text())
	}
	return found[1], nil
}

// begin starts a command line on the terminal. The returned function sends an interrupt, and waits until the command has ended.
func (t *terminal) begin(ctx context.Context, env []string, line string) (end func(), err error) {
	_, _ = fmt.Fprintf(t, "\x1b[32m$\x1b[0m \x1b[1m%s\x1b[0m\r\n", line)
	c := exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+line) //nolint:gosec // the lines are constants
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
		_, _ = io.Copy(t, f) // returns an error when the command ends, because it is a terminal
		_ = c.Wait()         // a failure is visible on the terminal
		_ = f.Close()
	}()
	return func() {
		_ = c.Process.Signal(syscall.SIGINT) // it may have ended already
		<-done
	}, nil
}

// run runs a command line until it ends.
func (t *terminal) run(ctx context.Context, env []string, line string) error {
	before := t.text()
	end, err := t.begin(ctx, env, line)
	if err != nil {
		return err
	}
	err = t.untilAfter(len(before)+len(line), "RESPONSE", "\n", "\n")
	end()
	return err
}

// until waits until the recording contains the texts, in this order.
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
	return fmt.Errorf("the output does not contain %q: %s", texts, t.text())
}
