package inboxweb_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxweb"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
	"github.com/aihooks/aihooks-go/webhook"
)

// byCookie is a login by a cookie.
func byCookie(r *http.Request) (string, error) {
	session, err := r.Cookie("session")
	if err != nil {
		return "", errors.New("not logged in")
	}
	return session.Value, nil
}

func onlyAlice(_ *http.Request, visitor string, action inbox.Action) bool {
	return visitor == "alice" && action != inbox.ActionDiscard
}

// mount mounts a page for the box below a prefix of a mux.
func mount(t *testing.T, mux *http.ServeMux, prefix string, box inbox.Operator, o inboxweb.Options) {
	t.Helper()
	page, err := inboxweb.New(box, o)
	require.NoError(t, err)
	mux.Handle(prefix+"/", http.StripPrefix(prefix, page))
}

// newBox returns an inbox with a dead letter, whose ID is 1.
func newBox() *memorybox.Box {
	box := new(memorybox.Box)
	box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "workflux", Endpoint: "default", Type: "user.message", ID: "dlv_1", Body: []byte("{}")})
	return box
}

func serve(t *testing.T, box inbox.Operator) string {
	t.Helper()
	mux := http.NewServeMux()
	mount(t, mux, "/ops/inbox", box, inboxweb.Options{Visitor: byCookie, May: onlyAlice})
	return pagekit.ServeHandler(t, mux) + "/ops/inbox"
}

const retry = "/api/items/1/actions/retry"

func TestNew_RefusesMissingOptions(t *testing.T) {
	_, err := inboxweb.New(nil, inboxweb.Options{Visitor: byCookie})
	require.EqualError(t, err, "inboxweb: the inbox must not be nil")
	_, err = inboxweb.New(newBox(), inboxweb.Options{})
	require.EqualError(t, err, "inboxweb: Options.Visitor must not be nil")
}

func TestPage_AsksVisitorForEveryRequest(t *testing.T) {
	address := serve(t, newBox())
	for _, path := range []string{"/", "/app.js", "/api/items", "/api/items/1", "/api/items/1/body", "/api/events", "/missing"} {
		require.Equal(t, 403, pagekit.Send(t, "GET", address+path, "").StatusCode, path)
		want := 200
		if path == "/missing" {
			want = 404
		}
		require.Equal(t, want, pagekit.Send(t, "GET", address+path, "", "Cookie", "session=bob").StatusCode, path)
	}
	require.Equal(t, 403, pagekit.Send(t, "POST", address+retry, "{}", "Content-Type", "application/json").StatusCode)
}

func TestPage_RefusesOtherSites(t *testing.T) {
	address := serve(t, newBox())
	for name, test := range map[string]struct {
		method, path string
		pairs        []string
		want         int
	}{
		"another site writes":            {"POST", retry, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another subdomain writes":       {"POST", retry, []string{"Sec-Fetch-Site", "same-site"}, 403},
		"an old browser writes":          {"POST", retry, []string{"Origin", "https://evil.test"}, 403},
		"a sandboxed frame writes":       {"POST", retry, []string{"Origin", "null"}, 403},
		"a form writes":                  {"POST", retry, []string{"Content-Type", "text/plain"}, 415},
		"a form with an URL encoding":    {"POST", retry, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"another site deletes":           {"DELETE", retry, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site reads":             {"GET", "/api/items", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site opens the stream":  {"GET", "/api/events", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site frames the page":   {"GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		"another site links to the page": {"GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		"an action by GET":               {"GET", retry, nil, 405},
		"the page reads":                 {"GET", "/api/items", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"the page writes":                {"POST", retry, []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://ops.example"}, 200},
	} {
		pairs := append([]string{"Cookie", "session=alice", "Content-Type", "application/json"}, test.pairs...)
		response := pagekit.Send(t, test.method, address+test.path, "{}", pairs...)
		require.Equal(t, test.want, response.StatusCode, name)
		require.Empty(t, response.Header.Values("Access-Control-Allow-Origin"), name)
		require.Contains(t, response.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", name)
		require.Equal(t, "DENY no-store same-origin nosniff", strings.Join([]string{
			response.Header.Get("X-Frame-Options"), response.Header.Get("Cache-Control"),
			response.Header.Get("Cross-Origin-Resource-Policy"), response.Header.Get("X-Content-Type-Options"),
		}, " "), name)
	}
}

func TestPage_AllowsOnlyWhatMayAllows(t *testing.T) {
	box := newBox()
	address := serve(t, box)
	actions := func(session string) (names []string) {
		var list struct {
			Items []struct{ Actions []struct{ Name string } }
		}
		response := pagekit.Send(t, "GET", address+"/api/items", "", "Cookie", "session="+session)
		require.NoError(t, json.NewDecoder(response.Body).Decode(&list))
		for _, a := range list.Items[0].Actions {
			names = append(names, a.Name)
		}
		return names
	}
	require.Equal(t, []string{"retry", "rerun"}, actions("alice"))
	require.Empty(t, actions("bob"))
	var list struct {
		Overview struct{ Operator struct{ May []string } }
	}
	require.NoError(t, json.NewDecoder(pagekit.Send(t, "GET", address+"/api/items", "", "Cookie", "session=alice").Body).Decode(&list))
	require.Equal(t, []string{"retry", "rerun", "pause", "resume"}, list.Overview.Operator.May)
	var preview struct{ Actions []string }
	require.NoError(t, json.NewDecoder(pagekit.Send(t, "GET", address+"/api/preview", "", "Cookie", "session=alice").Body).Decode(&preview))
	require.Equal(t, []string{"retry", "rerun"}, preview.Actions)
	act := func(session, action, body string) int {
		return pagekit.Send(t, "POST", address+"/api/items/1/actions/"+action, body, "Cookie", "session="+session, "Content-Type", "application/json").StatusCode
	}
	require.Equal(t, 403, act("bob", "retry", "{}"))
	require.Equal(t, 403, act("alice", "discard", "{}"))
	require.Equal(t, 400, act("alice", "retry", "reason=x"))
	audit, err := box.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, audit, "a refused request must change nothing")

	require.Equal(t, 200, act("alice", "retry", `{"reason":"the database is back"}`))
	audit, err = box.Audit(t.Context())
	require.NoError(t, err)
	require.Len(t, audit, 1)
	require.Equal(t, inbox.Actor{By: "alice", Reason: "the database is back"}, audit[0].Actor)
}

func TestPage_IsReadOnlyWithoutMay(t *testing.T) {
	mux := http.NewServeMux()
	mount(t, mux, "", newBox(), inboxweb.Options{Visitor: byCookie})
	address := pagekit.ServeHandler(t, mux)
	require.Equal(t, 403, pagekit.Send(t, "POST", address+retry, "{}", "Cookie", "session=alice", "Content-Type", "application/json").StatusCode)
}

func TestPage_MountsTwice(t *testing.T) {
	mux := http.NewServeMux()
	for _, name := range []string{"one", "two"} {
		mount(t, mux, "/"+name+"/inbox", newBox(), inboxweb.Options{Visitor: byCookie, Title: name})
	}
	address := pagekit.ServeHandler(t, mux)
	for _, name := range []string{"one", "two"} {
		var list struct{ Overview struct{ Title string } }
		response := pagekit.Send(t, "GET", address+"/"+name+"/inbox/api/items", "", "Cookie", "session=bob")
		require.NoError(t, json.NewDecoder(response.Body).Decode(&list))
		require.Equal(t, name, list.Overview.Title)
	}
}

// Routers such as chi also pass the path without the slash at the end.
func TestPage_RedirectsToSlash(t *testing.T) {
	page, err := inboxweb.New(newBox(), inboxweb.Options{Visitor: byCookie})
	require.NoError(t, err)
	address := pagekit.ServeHandler(t, http.StripPrefix("/ops/inbox", page))
	for path, want := range map[string]string{"/ops/inbox": "./inbox/", "/ops/inbox?a=//evil.test": "./inbox/"} {
		response := pagekit.Send(t, "GET", address+path, "", "Cookie", "session=bob")
		require.Equal(t, 303, response.StatusCode, path)
		require.Equal(t, want, response.Header.Get("Location"), path)
	}
}

// A proxy terminates TLS and forwards to another host and path.
func TestPage_WorksBehindProxy(t *testing.T) {
	box := newBox()
	target, err := url.Parse(serve(t, box))
	require.NoError(t, err)
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Path = strings.TrimPrefix(r.Out.URL.Path, "/public")
		r.SetURL(target)
	}})
	t.Cleanup(proxy.Close)
	send := func(method, path string, pairs ...string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, proxy.URL+"/public"+path, strings.NewReader("{}"))
		require.NoError(t, err)
		for i := 0; i < len(pairs); i += 2 {
			r.Header.Set(pairs[i], pairs[i+1])
		}
		r.Header.Set("Cookie", "session=alice")
		r.Header.Set("Content-Type", "application/json")
		response, err := proxy.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, 200, send("GET", "/"))
	require.Equal(t, 403, send("POST", retry, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"))
	require.Equal(t, 200, send("POST", retry, "Sec-Fetch-Site", "same-origin", "Origin", proxy.URL))
}

func TestStream_EndsAfterLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loggedOut atomic.Bool
		page, err := inboxweb.New(newBox(), inboxweb.Options{Visitor: func(*http.Request) (string, error) {
			if loggedOut.Load() {
				return "", errors.New("logged out")
			}
			return "alice", nil
		}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan bool, 1)
		go func() {
			page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/events", nil).WithContext(ctx))
			ended <- true
		}()
		time.Sleep(time.Hour)
		require.Empty(t, ended, "the stream ended although the visitor is logged in")
		loggedOut.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, ended, 1, "the stream must end at the next pulse")
	})
}
