package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

func TestGuard_AllowsOnlyLocalHostNames(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{Hosts: []string{"box.example", "Tunnel.example:9000"}})
	port := pagekit.PortOf(t, address)
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200,
		"127.0.0.2:" + port: 200, "192.0.2.7:" + port: 200, "[2001:db8::7]:" + port: 200, "hooks.localhost:" + port: 200,
		"192.0.2.7": 403, "192.0.2.7:1": 403, "192.0.2.7.evil.test:" + port: 403, "evillocalhost:" + port: 403, "hooks.localhost:1": 403,
		"box.example": 200, "box.example:1234": 200, "tunnel.example:9000": 200,
		"evil.test": 403, "evil.test:" + port: 403, "localhost": 403, "localhost:1": 403, "127.0.0.1.evil.test:" + port: 403,
		"localhost.:" + port: 403, "tunnel.example": 403, "tunnel.example:" + port: 403, "a.box.example": 403, "box.example.": 403,
	} {
		for _, path := range []string{"/", "/app.js", "/api/items", "/api/items/1"} {
			require.Equal(t, want, pagekit.Send(t, "GET", address+path, "", "Host", host).StatusCode, "%s %s", host, path)
		}
		post := pagekit.Send(t, "POST", address+"/api/items/1/actions/replay", "{}", "Host", host, "Content-Type", "application/json")
		require.Equal(t, want, post.StatusCode, host)
	}
}

func TestGuard_RefusesCrossSiteRequests(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{})
	for name, test := range map[string]struct {
		method, path string
		pairs        []string
		want         int
	}{
		"a program without a browser": {"GET", "/api/items", nil, 200},
		"the page itself":             {"GET", "/api/items", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"the address typed in":        {"GET", "/api/items", []string{"Sec-Fetch-Site", "none"}, 200},
		"a link to the page":          {"GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		"the page in a frame":         {"GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		"a link to the data":          {"GET", "/api/items", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		"another site reads":          {"GET", "/api/items", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another port reads":          {"GET", "/api/events", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"another site loads a script": {"GET", "/app.js", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"an old browser sends Origin": {"GET", "/api/items", []string{"Origin", "https://evil.test"}, 403},
		"no origin at all":            {"GET", "/api/items", []string{"Origin", "null"}, 403},
		"another site writes":         {"POST", "/api/items/1/actions/replay", []string{"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}, 403},
		"an old browser writes":       {"POST", "/api/items/1/actions/replay", []string{"Content-Type", "application/json", "Origin", "http://127.0.0.1:1"}, 403},
		"the page writes":             {"POST", "/api/items/1/actions/replay", []string{"Content-Type", "application/json", "Sec-Fetch-Site", "same-origin", "Origin", address}, 200},
		"a form of another site":      {"POST", "/api/items/1/actions/replay", []string{"Content-Type", "text/plain"}, 415},
		"a form without a type":       {"POST", "/api/items/1/actions/replay", nil, 415},
		"a preflight":                 {"OPTIONS", "/api/items/1/actions/replay", []string{"Origin", "https://evil.test", "Access-Control-Request-Method", "POST"}, 403},
		"an action by GET":            {"GET", "/api/items/1/actions/replay", nil, 405},
	} {
		response := pagekit.Send(t, test.method, address+test.path, "{}", test.pairs...)
		require.Equal(t, test.want, response.StatusCode, name)
		require.Empty(t, response.Header.Values("Access-Control-Allow-Origin"), name)
		require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'", name)
		require.Equal(t, "nosniff no-store no-referrer same-origin", strings.Join([]string{
			response.Header.Get("X-Content-Type-Options"), response.Header.Get("Cache-Control"),
			response.Header.Get("Referrer-Policy"), response.Header.Get("Cross-Origin-Resource-Policy"),
		}, " "), name)
	}
}

func TestGuard_RequiresToken(t *testing.T) {
	const token = "0123456789abcdef_-AZ"
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{Token: token})
	require.Equal(t, 401, pagekit.Send(t, "GET", address+"/", "").StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+"/?token=0123456789abcdef_-Az", "").StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+"/?token=", "").StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+"/api/items?token="+token, "").StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "POST", address+"/api/items/1/actions/replay", "{}", "Content-Type", "application/json").StatusCode)

	let := pagekit.Send(t, "GET", address+"/?token="+token, "")
	require.Equal(t, 303, let.StatusCode)
	path := let.Header.Get("Location")
	require.Regexp(t, "^/[A-Z0-9]{26}/$", path, "the redirect must have no token")
	require.Len(t, let.Cookies(), 1)
	cookie := let.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.Equal(t, path, cookie.Path, "otherwise, browsers send the cookie to other servers on this machine")
	require.Equal(t, 200, pagekit.Send(t, "GET", address+path+"api/items", "", "Cookie", cookie.Name+"="+cookie.Value).StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+"/api/items", "", "Cookie", cookie.Name+"="+cookie.Value).StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+path+"api/items", "", "Cookie", cookie.Name+"=").StatusCode)
	require.Equal(t, 401, pagekit.Send(t, "GET", address+path+"api/items", "").StatusCode)
	require.Equal(t, 403, pagekit.Send(t, "GET", address+"/?token="+token, "", "Host", "evil.test").StatusCode)
}

func TestNew_RefusesInvalidOptions(t *testing.T) {
	for _, o := range []page.Options{{}, {Token: "short"}, {Token: "0123456789abcdef="}, {Token: "0123456789 abcdef"}} {
		_, err := page.New(pagekit.SampleRing(), o)
		require.EqualError(t, err, "page: Options.Token must have at least 16 characters, and only letters, digits, - and _")
	}
	for _, host := range []string{"", "http://box.example", "box.example/path", ":80", "user@box.example", "box example"} {
		_, err := page.New(pagekit.SampleRing(), page.Options{Token: "0123456789abcdef", Hosts: []string{host}})
		require.ErrorContains(t, err, "must be a host name or an IP address", host)
	}
	_, err := page.New(nil, page.Options{})
	require.EqualError(t, err, "page: source must not be nil")
}

func TestGuard_ChecksHostNameWithoutListener(t *testing.T) {
	handler := pagekit.New(t, pagekit.SampleRing(), page.Options{})
	for host, want := range map[string]int{"localhost:1": 200, "evil.test": 403} {
		r := httptest.NewRequest(http.MethodGet, "/api/items", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}
