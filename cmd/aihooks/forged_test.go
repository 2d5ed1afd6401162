package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
)

// captureOne runs one send command against a listener, and returns the folder with the saved delivery.
func captureOne(t *testing.T, env map[string]string, code int, outcome, vendor, event string, flags ...string) string {
	t.Helper()
	j, url, folder := startListening(t, env)
	run(t, append([]string{"send", vendor, event, "--url", url + "/webhooks/" + vendor}, flags...)...).is(t, code)
	require.Equal(t, outcome, next(t, j).Outcome)
	require.Equal(t, 0, j.stop(os.Interrupt))
	return folder
}

// onlyFile returns the only file of a folder.
func onlyFile(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// A refused delivery must not become genuine because its file is in the folder that is replayed.
func TestReplay_LeavesOutRefused(t *testing.T) {
	for _, v := range allvendors.All() {
		vendor, event := v.Name(), v.Samples[0].Name
		folders := map[string]string{
			"forged":     captureOne(t, secrets(), 1, "unauthenticated", vendor, event, "--forge"),
			"unverified": captureOne(t, nil, 0, "unverified", vendor, event, "--forge"),
		}
		if v.Profile.Window > 0 {
			folders["stale"] = captureOne(t, secrets(), 1, "rejected", vendor, event, "--stale")
		}
		genuine := onlyFile(t, captureOne(t, secrets(), 0, "handled", vendor, event))
		for verdict, folder := range folders {
			s := newService(t, vendor)
			file := onlyFile(t, folder)
			for _, what := range []string{folder, file, filepath.Join(folder, "*.json")} {
				r := run(t, "replay", what, "--url", s.URL).is(t, 1)
				require.Contains(t, r.err, "nothing was sent: listen did not accept 1 of the deliveries", "%s %s", vendor, verdict)
				require.Contains(t, r.err, filepath.Base(file))
			}
			run(t, "replay", file, "--vendor", vendor, "--url", s.URL).is(t, 1)
			require.Empty(t, s.seen(), "%s %s", vendor, verdict)

			r := run(t, "replay", folder, genuine, "--url", s.URL, "--json").is(t, 0)
			require.Len(t, s.seen(), 1, "only the genuine delivery is sent")
			require.Contains(t, r.err, "They are omitted")
			require.Equal(t, []string{file}, decode[struct{ Refused []string }](t, r.out).Refused)

			r = run(t, "replay", folder, "--url", s.URL, "--sign-refused", "--new-id").is(t, 0)
			require.Len(t, s.seen(), 2)
			require.Contains(t, r.err, "warning: listen did not accept 1 of the deliveries")
		}
	}
}

func TestReplay_TakesMissingOutcomeForRefused(t *testing.T) {
	s := newService(t, "workflux")
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	body := `,"body":` + strconv.Quote(string(v.Samples[0].Body)) + `}`
	for _, fields := range []string{
		`{"vendor":"workflux"`, `{"vendor":"workflux","method":"POST","header":{}`, `{"vendor":"workflux","outcome":"good"`,
		`{"vendor":"workflux","method":"POST","status":200`, `{"vendor":"workflux","outcome":"HANDLED"`, `{"vendor":"workflux","outcome":"unhandled","reason":"stale"`,
	} {
		require.Contains(t, run(t, "replay", writeFile(t, fields+body), "--url", s.URL).is(t, 1).err, "nothing was sent", fields)
	}
	require.Empty(t, s.seen())
	run(t, "replay", writeFile(t, `{"vendor":"workflux","outcome":"handled"`+body), "--url", s.URL).is(t, 0)
	require.Len(t, s.seen(), 1)
}

// A web page in the developer's browser can send requests to a listener. With DNS rebinding, it can use any host name.
func TestListen_RefusesBrowsers(t *testing.T) {
	j, url, folder := startListening(t, secrets())
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	for name, test := range map[string]struct {
		method, host string
		header       http.Header
	}{
		"form or fetch of another site": {"POST", "", http.Header{"Origin": {"https://evil.test"}, "Sec-Fetch-Site": {"cross-site"}}},
		"browser without Sec-Fetch":     {"POST", "", http.Header{"Origin": {"https://evil.test"}}},
		"sandboxed frame":               {"POST", "", http.Header{"Origin": {"null"}}},
		"empty origin":                  {"POST", "", http.Header{"Origin": {""}}},
		"page on another port":          {"POST", "", http.Header{"Origin": {"http://127.0.0.1:1"}, "Sec-Fetch-Site": {"same-site"}}},
		"rebound name":                  {"POST", "evil.test:" + port, http.Header{"Origin": {"http://evil.test:" + port}, "Sec-Fetch-Site": {"same-origin"}}},
		"rebound name, http alone":      {"POST", "evil.test:" + port, http.Header{"Origin": {"http://evil.test:" + port}}},
		"through a tunnel":              {"POST", "abc.tunnel.example", http.Header{"Origin": {"https://evil.test"}}},
		"picture":                       {"GET", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"preflight":                     {"OPTIONS", "", http.Header{"Origin": {"https://evil.test"}, "Access-Control-Request-Method": {"POST"}}},
	} {
		require.Equal(t, http.StatusForbidden, postAs(t, test.method, url+"/webhooks/workflux", test.host, test.header), name)
		require.Contains(t, line(t, j.err, "  403: "), "sent by a browser", name)
	}
	require.Equal(t, http.StatusForbidden, post(t, url+"/acme", "{}", http.Header{"Origin": {"https://evil.test"}}))

	// A vendor sends no Origin, neither directly nor through a tunnel.
	for _, host := range []string{"", "localhost:" + port, "abc.tunnel.example", "abc.ngrok-free.app:443"} {
		require.Equal(t, http.StatusUnauthorized, postAs(t, "POST", url+"/webhooks/workflux", host, nil), host)
		require.Equal(t, "unauthenticated", next(t, j).Outcome)
	}
	require.Equal(t, 0, j.stop(os.Interrupt))
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 4)
}

// postAs sends a request with a Host, by default that of the URL, and returns the status of the response.
func postAs(t *testing.T, method, url, host string, header http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	require.NoError(t, err)
	r.Host, r.Header = host, header
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
