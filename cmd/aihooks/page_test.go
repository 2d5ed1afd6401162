package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A visitor is an HTTP client that has opened the page.
type visitor struct {
	http.Client

	page *url.URL
}

// openPage opens the page at the address that a job prints.
func openPage(t *testing.T, j *job) *visitor {
	t.Helper()
	printed := strings.TrimPrefix(line(t, j.err, "page: "), "page: ")
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	v := &visitor{Client: http.Client{Jar: jar}}
	response, err := v.Get(printed) //nolint:noctx // a test
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	v.page = response.Request.URL
	return v
}

// A listed is a delivery in the list of the page.
type listed struct {
	ID, Vendor, Verdict string
	Actions             []struct{ Name, Confirm string }
}

// items returns the list of deliveries, the newest first.
func (v *visitor) items(t *testing.T) []listed {
	t.Helper()
	response, err := v.Get(v.page.String() + "api/items") //nolint:noctx // a test
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var list struct{ Items []listed }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&list))
	return list.Items
}

// act requests an action, and returns the status of the response.
func (v *visitor) act(t *testing.T, id, action string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.page.String()+"api/items/"+id+"/actions/"+action, strings.NewReader("{}"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := v.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestPage_ShowsAndReplaysDelivery(t *testing.T) {
	j, url, _ := startListening(t, secrets(), "--no-save", "--web", "--web-addr", "127.0.0.1:0")
	v := openPage(t, j)
	run(t, "send", "greenflash", "conversation.rating", "--url", url+"/webhooks/greenflash").is(t, 0)
	next(t, j)
	items := v.items(t)
	require.Len(t, items, 1)
	require.Equal(t, "handled", items[0].Verdict)
	require.Equal(t, 200, v.act(t, items[0].ID, "replay"))
	require.Equal(t, "duplicate", next(t, j).Outcome)
	require.Equal(t, 0, j.stop(os.Interrupt))
}

// Anyone can send deliveries that appear on the page. One press of a button must not make a refused delivery genuine.
func TestPage_SignsRefusedByNameOnly(t *testing.T) {
	for vendor, event := range map[string]string{"greenflash": "conversation.rating", "workflux": "user.message", "emberqa": "red_flag"} {
		for verdict, env := range map[string]map[string]string{"unauthenticated": secrets(), "rejected": secrets()} {
			if verdict == "rejected" && vendor == "emberqa" {
				continue // it sends no time
			}
			s := newService(t, vendor)
			j, url, _ := startListening(t, env, "--no-save", "--web", "--web-addr", "127.0.0.1:0", "--replay-to", s.URL)
			v := openPage(t, j)
			flag := map[string]string{"unauthenticated": "--forge", "rejected": "--stale"}[verdict]
			run(t, "send", vendor, event, "--url", url+"/webhooks/"+vendor, flag).is(t, 1)
			require.Equal(t, verdict, next(t, j).Outcome)
			item := v.items(t)[0]
			require.Equal(t, 409, v.act(t, item.ID, "replay"), "%s %s", vendor, verdict)
			require.Empty(t, s.seen())
			require.Len(t, item.Actions, 1)
			require.Equal(t, "sign-refused", item.Actions[0].Name)
			require.Contains(t, item.Actions[0].Confirm, "anyone may have written it")
			require.Equal(t, 200, v.act(t, item.ID, "sign-refused"))
			require.Len(t, s.seen(), 1)
			require.Equal(t, 0, j.stop(os.Interrupt))
		}
	}
}

// Another user of this machine can reach every loopback address, but does not know the token.
func TestPage_KeepsOutOtherUsers(t *testing.T) {
	w := newInboxService(t, 1)
	for _, args := range [][]string{{"listen", "--no-save", "--addr", "127.0.0.1:0", "--web"}, {"inbox", "--from", w.path, "--web"}} {
		for _, address := range []string{"127.0.0.1:0", "localhost:0", "0.0.0.0:0"} {
			j := begin(t, aihooks(t, secrets(), append(args, "--web-addr", address)...))
			v := openPage(t, j)
			v.items(t)
			for _, path := range []string{"", "app.js", "api/items", "api/items/1", "api/items/1/body", "api/items/1/curl", "api/events", "?token=", "?token=" + secret} {
				for _, base := range []string{v.page.String(), "http://" + v.page.Host + "/"} {
					response, err := http.Get(base + path) //nolint:noctx // a test
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					require.Equal(t, http.StatusUnauthorized, response.StatusCode, "%s %s", args[0], path)
				}
			}
			other := &visitor{page: v.page}
			require.Equal(t, http.StatusUnauthorized, other.act(t, "1", "retry"))
			require.Equal(t, 0, j.stop(os.Interrupt))
		}
	}
	require.Len(t, w.dead(t), 1)
}
