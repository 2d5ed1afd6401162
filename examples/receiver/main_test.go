// The tests stop the program by SIGTERM, which Windows does not have.

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/standardwebhooks/standardwebhookstest"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

// A process is a running receiver.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	origin  string
	probes  string // the origin of the metrics and probes, if METRICS_ADDR is set
	lines   chan string
	reading sync.WaitGroup // of lines
	log     bytes.Buffer
}

// patience is how long a test waits for an event. It is long, because the machine may be busy.
const patience = 2 * time.Minute

// binary is built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "receiver")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "receiver")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), append([]string{"ADDR=127.0.0.1:0"}, env...)...)
	p.cmd.Stderr = &p.log
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, kit.Start(p.cmd))
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it may still write into a folder of the test
	})
	p.reading.Go(func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	})
	var first struct{ Listening, Metrics string }
	p.read(&first)
	require.NotEmpty(t, first.Listening)
	p.origin, p.probes = "http://"+first.Listening, "http://"+first.Metrics
	return p
}

// read parses the next line of standard output.
func (p *process) read(v any) {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		require.True(p.t, ok, "standard output ended; log: %s", &p.log)
		require.NoError(p.t, json.Unmarshal([]byte(line), v), line)
	case <-time.After(patience):
		require.Fail(p.t, "no line on standard output", "log: %s", &p.log)
	}
}

// stop sends SIGTERM to the process and returns its exit code.
func (p *process) stop() int {
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.reading.Wait() // Wait of the process closes the pipe, and would lose lines
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// accepted sends a delivery until the status is 200, as its vendor does, because the store may be slow on a busy machine.
func accepted(t *testing.T, s *webhooktest.Sender, d *webhooktest.Delivery) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Send(d).Status == http.StatusOK }, patience, 50*time.Millisecond)
}

type printed struct {
	Vendor  string
	Type    string
	ID      string
	Attempt int
	Event   map[string]any
}

func TestReceiver_PrintsCallbacksAndRetries(t *testing.T) {
	p := start(t, "WORKFLUX_WEBHOOK_SECRET=old-secret, new-secret", "EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "FAIL_FIRST=1")

	fromWorkFlux := workfluxtest.NewSenderTo(t, p.origin+"/webhooks/workflux", "new-secret")
	started := fromWorkFlux.Sample(workflux.TypeConversationStarted)
	fromWorkFlux.Send(started).Want(500)
	fromWorkFlux.Send(started).WantOK()
	fromWorkFlux.Send(started).WantOK() // a duplicate
	var first, second printed
	p.read(&first)
	p.read(&second)
	require.Equal(t, 1, first.Attempt)
	require.Equal(t, 2, second.Attempt)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, "workflux", second.Vendor)
	require.Equal(t, workflux.TypeConversationStarted, second.Type)
	require.Equal(t, "conv-123", second.Event["conversation_id"])

	fromEmberQA := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
	flag := fromEmberQA.Sample("red_flag")
	fromEmberQA.Send(flag).Want(500)
	fromEmberQA.SendForged(flag).Want(401)

	fromGreenflash := greenflashtest.NewSenderTo(t, p.origin+"/webhooks/greenflash", "a secret")
	fromGreenflash.Send(fromGreenflash.Sample(greenflash.TypeConversationRating)).Want(404) // a vendor without a secret is not mounted

	require.Zero(t, p.stop(), p.log.String())
	require.NotContains(t, p.log.String(), "new-secret")
	require.NotContains(t, p.log.String(), "a-token-of-enough-length")
}

func TestReceiver_PrintsStandardWebhooks(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	p := start(t, "STANDARDWEBHOOKS_SECRET="+secret)
	sender := standardwebhookstest.NewSenderTo(t, p.origin+"/webhooks/standardwebhooks", secret)
	created := sender.Sample("contact.created")
	sender.SendTwice(created).WantOK()
	sender.SendForged(created).Want(401)
	var line printed
	p.read(&line)
	require.Equal(t, "standardwebhooks", line.Vendor)
	require.Equal(t, "contact.created", line.Type)
	require.Equal(t, created.ID, line.ID)
	require.Equal(t, "John Smith", line.Event["data"].(map[string]any)["fullName"])
	require.Zero(t, p.stop(), p.log.String())
}

func TestReceiver_FinishesCallbackOnSIGTERM(t *testing.T) {
	p := start(t, "EMBERQA_WEBHOOK_TOKEN=a-token-of-enough-length", "HANDLER_DELAY=1s")
	sender := emberqatest.NewSenderTo(t, p.origin+"/webhooks/emberqa", "a-token-of-enough-length")
	r := sender.Request(sender.Sample("red_flag"))
	// The server requests the body when the handler reads it.
	r.Header.Set("Expect", "100-continue")
	inside := make(chan struct{})
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(inside) }}))
	client := http.Client{Timeout: patience, Transport: &http.Transport{ExpectContinueTimeout: patience}}
	defer client.CloseIdleConnections()
	status := make(chan int, 1)
	go func() {
		defer close(status)
		if response, err := client.Do(r); err == nil {
			status <- response.StatusCode
			_ = response.Body.Close()
		}
	}()
	select {
	case <-inside:
	case <-time.After(patience):
		require.Fail(t, "the request did not reach the handler")
	}
	require.Zero(t, p.stop(), p.log.String())
	require.Equal(t, 200, <-status)
	var line printed
	p.read(&line)
	require.Equal(t, "emberqa", line.Vendor)
}

func TestStartUp_ReportsInvalidSettings(t *testing.T) {
	for env, want := range map[string]string{
		"FAIL_FIRST=often":             "FAIL_FIRST",
		"HANDLER_DELAY=1":              "HANDLER_DELAY",
		"MAX_BODY=-1":                  "Options.MaxBody must not be negative",
		"WORKFLUX_WEBHOOK_SECRET= ":    "is blank",
		"EMBERQA_WEBHOOK_TOKEN=a,b/c":  "slash",
		"GREENFLASH_WEBHOOK_SECRET=a,": "is blank",
		"ADDR=nowhere":                 "ADDR",
		"STORE=paper:":                 "STORE",
		"STORE=sqlite:/":               "STORE",
		"INBOX=paper:":                 "INBOX",
		"INBOX=sqlite:":                "INBOX",
		"INBOX=jetstream:x":            "needs a STORE",
	} {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), "ADDR=127.0.0.1:0", "CONVOSPHERE_WEBHOOK_SECRET=x", env)
		out, err := cmd.CombinedOutput()
		require.Error(t, err, env)
		require.Contains(t, string(out), want)
		require.NotContains(t, string(out), "listening", env)
	}
}
