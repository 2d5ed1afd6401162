package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// post posts a request without a signature, and returns the status of the response.
func post(t *testing.T, url, body string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// postInTime posts again while the status is 503, as vendors do. A busy machine may not read megabytes within the body timeout.
func postInTime(t *testing.T, url, body string) int {
	t.Helper()
	for {
		if status := post(t, url, body, nil); status != http.StatusServiceUnavailable || t.Context().Err() != nil {
			return status
		}
	}
}

func TestATokenIsInNoHeaderThatIsShownOrSaved(t *testing.T) {
	const unknown = "an-unknown-token"
	for _, env := range []map[string]string{nil, secrets()} {
		j, url, folder := startListening(t, env)
		for _, path := range []string{"/webhooks/emberqa/" + unknown, "/emberqa/" + unknown, "/emberqa/x/" + unknown, "/emberqa?t=" + unknown} {
			post(t, url+path, "{}", http.Header{
				"Referer": {"http://a.test" + path}, "X-Forwarded-Uri": {path}, "X-Original-Url": {path}, "X-Proxy-Saw": {"POST " + path},
				"X-Token": {"wrong", secret}, "Authorization": {"Bearer x"}, "X-Kept": {"yes"},
			})
			d := next(t, j)
			require.Equal(t, []string{"yes"}, d.Header["X-Kept"])
			text, err := os.ReadFile(d.File)
			require.NoError(t, err)
			for _, name := range []string{"Referer", "X-Forwarded-Uri", "X-Original-Url", "X-Proxy-Saw", "Authorization"} {
				require.NotContains(t, d.Header, name)
			}
			require.NotContains(t, string(text), unknown)
			if env != nil {
				require.NotContains(t, string(text), secret)
			}
		}
		post(t, url+"/"+unknown, "{}", nil)
		require.NotContains(t, line(t, j.err, "  404: "), unknown)
		require.Equal(t, 0, j.stop(os.Interrupt))
		require.DirExists(t, folder)
	}
}

func TestAListenerOutlivesWhatIsHugeDeepOrLong(t *testing.T) {
	c := aihooks(t, nil, "listen", "--addr", "127.0.0.1:0", "--no-save")
	c.Env = append(c.Env, "GOMEMLIMIT=512MiB")
	j := begin(t, c)
	url := strings.Fields(line(t, j.out, "workflux"))[1]
	deep := strings.Repeat("[", 9000) + strings.Repeat("1,", 1<<16) + "1" + strings.Repeat("]", 9000)
	for _, body := range []string{deep, `{"event":"` + strings.Repeat("x", 1<<20-100) + `"}`, strings.Repeat("\x00", 1<<20)} {
		require.Equal(t, 200, postInTime(t, url, body))
		shown := line(t, j.out, "unverified")
		require.Less(t, len(shown), 400)
		for size := 0; !strings.Contains(shown, "the file has the rest"); {
			require.True(t, j.out.Scan())
			shown = j.out.Text()
			size += len(shown)
			require.Less(t, size, 64<<10)
		}
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, post(t, url, strings.Repeat(" ", 1<<20+1), nil))
	require.Contains(t, line(t, j.err, "  413  "), "too large")
	require.Equal(t, 200, postInTime(t, url, strings.Repeat(" ", 1<<20)))
	require.Equal(t, 0, j.stop(os.Interrupt))
}

func TestOnlyPOSTsAreDeliveries(t *testing.T) {
	_, url, _ := startListening(t, nil, "--no-save")
	response, err := http.Get(url + "/webhooks/workflux") //nolint:noctx // a test
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}

func TestAFolderThatCannotBeIsSaidAtOnceAndAFullDiskForEachDelivery(t *testing.T) {
	file := writeFile(t, "")
	require.Contains(t, run(t, "listen", "--addr", "127.0.0.1:0", "--dir", filepath.Join(file, "in")).is(t, 1).err, file)

	j, url, folder := startListening(t, nil)
	require.NoError(t, os.Remove(folder))
	require.NoError(t, os.WriteFile(folder, nil, 0o600)) // a file, into which root cannot write either
	require.Equal(t, 200, post(t, url+"/workflux", "{}", nil))
	require.Contains(t, line(t, j.err, "is not saved"), filepath.Base(folder))
	require.Empty(t, next(t, j).File)
	require.Equal(t, 0, j.stop(os.Interrupt))
}

// sendMany sends 20 deliveries without a signature.
func sendMany(t *testing.T, url string) {
	t.Helper()
	for range 20 {
		response, err := http.Post(url+"/workflux", "application/json", strings.NewReader("{}")) //nolint:noctx // a test
		if assert.NoError(t, err) {
			assert.NoError(t, response.Body.Close())
		}
	}
}

func TestTypesAreNotAsLongAsTheySay(t *testing.T) {
	j, url, _ := startListening(t, nil, "--no-save", "--no-body")
	post(t, url+"/workflux", `{"event":"`+strings.Repeat("x", 1<<19)+`"}`, nil)
	require.LessOrEqual(t, len(next(t, j).Type), 210)
}

func TestTwoListenersMayShareAFolder(t *testing.T) {
	one, url, folder := startListening(t, nil)
	two := begin(t, aihooks(t, nil, "listen", "--json", "--addr", "127.0.0.1:0", "--dir", folder))
	_, other, _ := strings.Cut(line(t, two.err, "listening on "), "listening on ")
	var wg sync.WaitGroup
	for _, address := range []string{url, other} {
		wg.Go(func() { sendMany(t, address) })
	}
	wg.Wait()
	names := make(map[string]bool)
	for range 20 {
		names[next(t, one).File], names[next(t, two).File] = true, true
	}
	require.Len(t, names, 40)
}

func TestACaptureOfAnotherVendorIsRefused(t *testing.T) {
	files := saved(t)
	s := newService(t, "workflux")
	for _, file := range files {
		vendor := strings.Split(filepath.Base(file), "-")[1]
		r := run(t, "explain", "workflux", "--capture", file)
		switch vendor {
		case "workflux":
			r.is(t, 0)
			run(t, "replay", file, "--vendor", "workflux", "--url", s.URL).is(t, 0)
			require.Equal(t, "conversation.started", s.seen()[0].Delivery().Type, "the body is replayed, not the capture file")
		default:
			require.Contains(t, r.is(t, 2).err, "is a capture of a delivery of "+vendor)
			require.Contains(t, run(t, "replay", file, "--vendor", "workflux", "--url", s.URL).is(t, 2).err, "is a capture of a delivery of "+vendor)
		}
		if vendor == "emberqa" {
			require.Contains(t, run(t, "explain", "emberqa", "--capture", file).is(t, 2).err, "a capture has neither the URL")
		}
	}
}

func TestNumbersInHeadersAndBodiesStayAsTheyWereWritten(t *testing.T) {
	headers, body := delivered(t, "greenflash", secret)
	parsed := http.Header{}
	for text := range strings.Lines(headers) {
		if name, value, ok := strings.Cut(text, ": "); ok {
			parsed.Add(name, strings.TrimSpace(value))
		}
	}
	var b bytes.Buffer
	b.WriteString("{")
	for name := range parsed {
		quoted := `"` + parsed.Get(name) + `"`
		if strings.Contains(name, "Timestamp") {
			quoted = parsed.Get(name)
		}
		b.WriteString(`"` + name + `":` + quoted + ",")
	}
	b.WriteString(`"X-Last":""}`)
	run(t, "explain", "greenflash", "--headers", writeFile(t, b.String()), "--body", writeFile(t, body)).is(t, 0)
	run(t, "explain", "greenflash", "--headers", writeFile(t, `{"A":{"b":1}}`), "--body", writeFile(t, body)).is(t, 1)

	s := newService(t, "greenflash")
	run(t, "send", "greenflash", "conversation.rating", "--url", s.URL, "--set", `data.deep={"n":1.50}`, "--set", "data.deep.more=2").is(t, 0)
	require.JSONEq(t, `{"n":1.50,"more":2}`, string(s.seen()[0].Unknown()["/data/deep"]))
}

func TestWhatIsTooLargeToReadIsRefused(t *testing.T) {
	c := aihooks(t, secrets(), "explain", "workflux", "--headers", writeFile(t, "A: b"), "--body", "-")
	c.Stdin = strings.NewReader(strings.Repeat(" ", 32<<20+1))
	require.Contains(t, finish(t, c).is(t, 1).err, "is larger than 33554432 bytes")
}
