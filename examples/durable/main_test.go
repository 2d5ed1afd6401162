// The tests stop the program by SIGTERM, which Windows does not have.

//go:build unix

package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A process is a running example.
type process struct {
	cmd   *exec.Cmd
	lines chan string
}

func start(t *testing.T, binary string, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), env...)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, kit.Start(p.cmd))
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "durable")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// after waits for a log line with the given words, and returns the rest of the line.
func (p *process) after(t *testing.T, words string) string {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-p.lines:
			require.True(t, ok, "the log ended without %q", words)
			if _, rest, found := strings.Cut(line, words); found {
				return strings.TrimSpace(rest)
			}
		case <-timeout:
			require.Fail(t, "the log has no line with "+words)
		}
	}
}

func TestDurable_RunsOnceAcrossRestarts(t *testing.T) {
	dir, binary := t.TempDir(), build(t)
	env := []string{"ADDR=127.0.0.1:0", "INBOX=" + filepath.Join(dir, "inbox.db"), "WORKFLUX_WEBHOOK_SECRET=whsec"}
	var d *webhooktest.Delivery
	for round := range 2 { // the second process must not run the delivery again
		p := start(t, binary, env...)
		sender := workfluxtest.NewSenderTo(t, "http://"+p.after(t, "listening on")+"/webhooks/workflux", "whsec")
		if round == 0 {
			d = sender.Sample(workflux.TypeConversationCompleted)
		}
		for range 2 {
			kit.Eventually(t, func() bool { return sender.Send(d).Status == http.StatusOK })
		}
		if round == 0 {
			require.Equal(t, "conv-123", p.after(t, "completed:"))
		}
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		for line := range p.lines {
			require.NotContains(t, line, "completed:", "the callback ran for a duplicate")
		}
		require.NoError(t, p.cmd.Wait())
	}
}

func TestDurable_ReportsInvalidSettings(t *testing.T) {
	binary := build(t)
	for env, want := range map[string]string{
		"WORKFLUX_WEBHOOK_SECRET=": "blank",
		"ADDR=nowhere":             "nowhere",
		"INBOX=/":                  "inbox",
	} {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), "ADDR=127.0.0.1:0", "INBOX="+filepath.Join(t.TempDir(), "inbox.db"), "WORKFLUX_WEBHOOK_SECRET=whsec", env)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, env)
		require.Contains(t, string(out), want)
	}
}
