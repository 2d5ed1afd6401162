package pagetest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

func TestCurl_ReproducesRequest(t *testing.T) {
	curl, err := exec.LookPath("curl")
	require.NoError(t, err, "the test needs curl")
	type request struct {
		method, uri string
		header      http.Header
		body        []byte
	}
	got := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.RequestURI, r.Header, body}
	}))
	defer server.Close()
	for name, body := range map[string][]byte{
		"JSON":       []byte(pagekit.Conversation),
		"shell":      []byte(`it's "$(touch /tmp/x)" ` + "`id` \\ !! @file\n\ttab %s"),
		"empty":      {},
		"no text":    {0xff, 0x00, 0xfe},
		"escape":     []byte("a\x1b[201~\nrm -rf x\r"),
		"long":       bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
		"C1 control": []byte("a\u009b201~b"),
	} {
		d := &page.Detail{
			Method: "POST", URL: server.URL + "/hooks/[x]{y}?a=1&b='2'", Body: body,
			Header: http.Header{"X-Signature": {"sha256=ab'cd"}, "X-Two": {"1", "2"}, "X-Empty": {""}, "Content-Type": {"application/json"}, "Content-Length": {"7"}, "Host": {"evil.test"}, "User-Agent": {"Vendor/1"}},
		}
		command := page.Curl(d)
		for _, c := range command {
			require.False(t, c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0, "%s: the command has a control character %U", name, c)
		}
		script := filepath.Join(t.TempDir(), "command")
		require.NoError(t, os.WriteFile(script, []byte(strings.Replace(command, "curl ", curl+" -s ", 1)), 0o600))
		shell := exec.CommandContext(t.Context(), "sh", script)
		out, err := shell.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		r := <-got
		require.Equal(t, "POST /hooks/[x]{y}?a=1&b='2'", r.method+" "+r.uri, name)
		require.True(t, bytes.Equal(body, r.body), name)
		require.Equal(t, []string{"1", "2"}, r.header["X-Two"], name)
		require.Equal(t, []string{""}, r.header["X-Empty"], name)
		require.Equal(t, "sha256=ab'cd application/json Vendor/1", r.header.Get("X-Signature")+" "+r.header.Get("Content-Type")+" "+r.header.Get("User-Agent"), name)
	}
}
