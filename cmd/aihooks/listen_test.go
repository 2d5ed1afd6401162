package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// startListening starts aihooks listen, and returns its process, URL and folder.
func startListening(t *testing.T, env map[string]string, args ...string) (j *job, url, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "saved")
	c := aihooks(t, env, append([]string{"listen", "--json", "--addr", "127.0.0.1:0", "--dir", folder}, args...)...)
	j = begin(t, c)
	_, url, ok := strings.Cut(line(t, j.err, "listening on "), "listening on ")
	require.True(t, ok)
	return j, url, folder
}

// received is a line of the JSON output of listen.
type received struct {
	Vendor, Outcome, Reason, Explanation, Type, ID, Body, File string
	Status                                                     int
	Header                                                     http.Header
}

func next(t *testing.T, j *job) received {
	t.Helper()
	return decode[received](t, line(t, j.out, "{"))
}

func TestListen_ShowsVerifiesAndSavesDeliveries(t *testing.T) {
	j, url, folder := startListening(t, secrets())
	address := url + "/webhooks/greenflash"
	run(t, "send", "greenflash", "conversation.rating", "--url", address, "--same", "--times", "2").is(t, 0)
	first, second := next(t, j), next(t, j)
	require.Equal(t, "handled", first.Outcome)
	require.Equal(t, "duplicate", second.Outcome)
	require.Equal(t, "conversation.rating", first.Type)
	require.Empty(t, first.Explanation)
	require.Equal(t, 200, first.Status)
	require.JSONEq(t, first.Body, second.Body)

	run(t, "send", "greenflash", "conversation.rating", "--url", url+"/greenflash", "--forge").is(t, 1)
	forged := next(t, j)
	require.Equal(t, "unauthenticated", forged.Outcome)
	require.Equal(t, "signature_mismatch", forged.Reason)
	require.Contains(t, forged.Explanation, "None of the known mistakes explains it")
	require.Equal(t, "conversation.rating", forged.Type)

	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 3)
	for i, d := range []received{first, second, forged} {
		require.Equal(t, filepath.Join(folder, files[i].Name()), d.File, "the file names must sort by time of arrival")
		requirePrivate(t, d.File)
	}
	require.Equal(t, 0, j.stop(os.Interrupt), "Ctrl-C must end listen without an error")
}

func TestListen_HidesCredentials(t *testing.T) {
	j, url, folder := startListening(t, secrets())
	run(t, "send", "emberqa", "red_flag", "--url", url+"/webhooks/emberqa").is(t, 0)
	d := next(t, j)
	require.Equal(t, "handled", d.Outcome)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhooks/emberqa?token="+secret, strings.NewReader("{}"))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	out := line(t, j.out, "{")
	require.NotContains(t, out, secret)
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(text), secret)
	}
	require.Equal(t, 0, j.stop(syscall.SIGTERM))
}

func TestListen_ShowsUnverifiedWithoutSecret(t *testing.T) {
	j, url, _ := startListening(t, nil, "--no-save", "--no-body")
	finish(t, aihooks(t, nil, "send", "workflux", "user.message", "--url", url+"/webhooks/workflux", "--forge")).is(t, 0)
	d := next(t, j)
	require.Equal(t, "unverified", d.Outcome)
	require.Contains(t, d.Explanation, "set WORKFLUX_WEBHOOK_SECRET")
	require.Equal(t, "user.message", d.Type)
	require.Empty(t, d.File)
	require.Empty(t, d.Body)
}

func TestListen_PrintsOutcomeReasonAndEvent(t *testing.T) {
	c := aihooks(t, secrets(), "listen", "--addr", "127.0.0.1:0")
	j := begin(t, c)
	url := strings.Fields(line(t, j.out, "greenflash"))[1]
	run(t, "send", "greenflash", "conversation.rating", "--url", url, "--stale").is(t, 1)
	require.Regexp(t, `^\d\d:\d\d:\d\d  greenflash  conversation.rating  rejected  401  `, line(t, j.out, "rejected"))
	require.Contains(t, line(t, j.out, "signed time"), "more than the window")
	require.Contains(t, line(t, j.out, "aihooks-deliveries"), ".json")
	require.Equal(t, `      "rating": 2,`, line(t, j.out, `"rating": 2`))
}

func TestListen_EscapesControlCharacters(t *testing.T) {
	c := aihooks(t, nil, "listen", "--addr", "127.0.0.1:0", "--no-save")
	j := begin(t, c)
	url := strings.Fields(line(t, j.out, "workflux"))[1]
	body := "{\"event\":\"a\\u001b[31mb\\u202e\",\"x\":\"\x1b]0;title\x07\u202e\"}"
	response, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:noctx // a test
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	var all strings.Builder
	for j.out.Scan() {
		all.WriteString(j.out.Text() + "\n")
		if strings.Contains(j.out.Text(), "title") {
			break
		}
	}
	for _, bad := range []string{"\x1b", "\u202e", "\x07"} {
		require.NotContains(t, all.String(), bad)
	}
	require.Contains(t, all.String(), `\x1b]0;title\a\u202e`)
}

func TestListen_ReportsAddressInUse(t *testing.T) {
	_, url, _ := startListening(t, nil, "--no-save")
	r := run(t, "listen", "--addr", strings.TrimPrefix(url, "http://"), "--no-save").is(t, 1)
	require.Contains(t, r.err, ": bind: ")
	r = run(t, "listen", "--addr", "127.0.0.1:0", "--web", "--web-addr", strings.TrimPrefix(url, "http://")).is(t, 1)
	require.Contains(t, r.err, ": bind: ")
}

func TestListen_RespondsWhenOutputIsNotRead(t *testing.T) {
	const deliveries, size = 40, 100_000 // more than the buffer of any pipe
	for name, args := range map[string][]string{"text": nil, "JSON": {"--json"}} {
		t.Run(name, func(t *testing.T) {
			out, in, err := os.Pipe()
			require.NoError(t, err)
			folder := filepath.Join(t.TempDir(), "saved")
			address := freeAddress(t)
			c := aihooks(t, nil, append([]string{"listen", "--addr", address, "--dir", folder}, args...)...)
			c.Stdout = in
			text, err := c.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
			require.NoError(t, in.Close())
			line(t, bufio.NewScanner(text), "press Ctrl-C to stop")
			for range deliveries {
				require.Equal(t, 200, post(t, "http://"+address+"/webhooks/workflux", `{"event":"`+strings.Repeat("x", size)+`"}`, nil))
			}
			read := make(chan string, 1)
			go func() { // queued output is still written, unless nothing reads it for 3 s
				text, _ := io.ReadAll(out)
				read <- string(text)
			}()
			require.NoError(t, sendSignal(c, os.Interrupt))
			shown := <-read
			require.NoError(t, c.Wait())
			files, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Len(t, files, deliveries)
			require.GreaterOrEqual(t, strings.Count(shown, "workflux"), deliveries)
		})
	}
}

func TestListen_EndsWhenOutputIsNeverRead(t *testing.T) {
	out, in, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, out.Close()) }()
	address := freeAddress(t)
	c := aihooks(t, nil, "listen", "--json", "--no-save", "--addr", address)
	c.Stdout = in
	text, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line(t, bufio.NewScanner(text), "listening on")
	for range 3 {
		require.Equal(t, 200, post(t, "http://"+address+"/webhooks/workflux", `{"event":"`+strings.Repeat("x", 100_000)+`"}`, nil))
	}
	require.NoError(t, sendSignal(c, os.Interrupt))
	require.Error(t, c.Wait())
	require.NotZero(t, c.ProcessState.ExitCode(), "the exit code must report lost output")
}

// freeAddress returns a free address, for a process whose output is not read. Its port is below the ephemeral ports, so that the
// system does not give it to another process in the meantime.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))) //nolint:noctx // a test
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
}

func TestListen_AcceptsPathsThatAMuxRedirects(t *testing.T) {
	j, url, _ := startListening(t, secrets(), "--no-save")
	for _, path := range []string{"//webhooks/workflux", "/webhooks//workflux", "///workflux//", "/webhooks/workflux/", "/workflux/a/../b", "/webhooks/./workflux"} {
		status := post(t, url+path, `{"event":"user.message"}`, nil)
		if path == "/webhooks/./workflux" {
			require.Equal(t, 404, status, "%s must be reported, not redirected", path)
			require.Contains(t, line(t, j.err, "  404: "), "deliveries go to /webhooks/VENDOR")
			continue
		}
		require.Equal(t, 401, status, path)
		require.Equal(t, "header_missing", next(t, j).Reason, path)
	}
	require.Equal(t, 404, post(t, url+"//"+secret, "{}", nil))
	require.NotContains(t, line(t, j.err, "  404: "), secret)
	run(t, "send", "emberqa", "red_flag", "--url", strings.Replace(url, "127.0.0.1", "hooks.localhost", 1)+"//webhooks//emberqa//").is(t, 0)
	require.Equal(t, "handled", next(t, j).Outcome)
}

func TestListen_TakesAPortAsAddress(t *testing.T) {
	_, port, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	_, webPort, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	j := begin(t, aihooks(t, nil, "listen", "--json", "--no-save", "--addr", port, "--web", "--web-addr", webPort))
	require.Contains(t, line(t, j.err, "listening on"), "http://127.0.0.1:"+port)
	require.Contains(t, line(t, j.err, "page:"), "http://127.0.0.1:"+webPort+"/")
	for _, address := range []string{"localhost", "127.0.0.1", "::1", "http://127.0.0.1:1", "70000", ""} {
		require.Contains(t, run(t, "listen", "--no-save", "--addr", address).is(t, 2).err, "--addr ("+strconv.Quote(address)+") must be HOST:PORT")
	}
	require.Contains(t, run(t, "listen", "--no-save", "--addr", "127.0.0.1:0", "--web", "--web-addr", "localhost").is(t, 2).err, "--web-addr")
}

func TestListen_Responds404ForUnknownVendor(t *testing.T) {
	j, url, _ := startListening(t, nil, "--no-save")
	response, err := http.Post(url+"/webhooks/acme/"+secret, "application/json", strings.NewReader("{}")) //nolint:noctx // a test
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 404, response.StatusCode)
	require.NotContains(t, line(t, j.err, "  404: "), secret)
}
