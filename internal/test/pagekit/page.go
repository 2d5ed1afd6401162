// Package pagekit serves the web page in tests.
package pagekit

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
)

// Conversation is a body of a sample delivery.
const Conversation = `{"type":"conversation.frustration","timestamp":"2026-11-22T02:51:07Z","data":{"conversationId":"cnv_7f3a91","productId":"support-bot","customer":{"name":"Zoë Brück","plan":"pro","seats":12,"trial":false,"referrer":null},"frustration":{"level":"high","score":0.87,"quotes":["I have explained this three times now 😤","Let me talk to a human."]},"ids":[12345678901234567890,2,3]}}`

// New returns a page. Requests already have the cookie with the token, unless the test sets a token.
func New(t *testing.T, source page.Source, o page.Options) http.Handler {
	t.Helper()
	const token = "the-token-of-the-tests"
	known := o.Token == ""
	o.Token = cmp.Or(o.Token, token)
	handler, err := page.New(source, o)
	require.NoError(t, err)
	if !known {
		return handler
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/?token="+token, nil))
	path := strings.TrimSuffix(w.Header().Get("Location"), "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "aihooks" + (&url.URL{Host: r.Host}).Port(), Value: token}) //nolint:gosec // of a request
		r.URL.Path = path + r.URL.Path
		if r.URL.RawPath != "" {
			r.URL.RawPath = path + r.URL.RawPath
		}
		handler.ServeHTTP(w, r)
	})
}

// Serve serves a page on a free port, and returns its URL.
func Serve(t *testing.T, source page.Source, o page.Options) string {
	t.Helper()
	return ServeHandler(t, New(t, source, o))
}

// ServeHandler serves a handler on a free port, and returns its URL.
func ServeHandler(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	ctx, cancel := context.WithCancel(context.Background())
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	return server.URL
}

// Send sends a request with headers, given as pairs of a name and a value. "Host" sets the Host of the request.
func Send(t *testing.T, method, address, body string, pairs ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
		if pairs[i] == "Host" {
			r.Host = pairs[i+1]
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// PortOf returns the port of a URL.
func PortOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Port()
}

// SampleRing returns a ring with a delivery of each tone.
func SampleRing() *live.Ring {
	ring := live.New(live.Options{
		Title:  "127.0.0.1:8787",
		Hint:   "Nothing has arrived yet. Send a sample:\n$ aihooks send greenflash conversation.frustration --url http://127.0.0.1:8787/webhooks/greenflash",
		Replay: func(context.Context, page.Detail) (string, error) { return "Replayed. The response was 200.", nil },
	})
	now := time.Now()
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"Greenflash-Webhooks/1.0"}, "X-Greenflash-Signature": {"sha256=3f1c9a51b2f04d1f6a6e2b8c7d9e0a1b2c3d4e5f60718293a4b5c6d7e8f90123"}, "X-Greenflash-Timestamp": {"1795317067"}}
	add := func(ago time.Duration, i page.Item, body string) {
		i.At = now.Add(-ago)
		ring.Add(page.Detail{
			Item: i, Method: "POST", URL: "http://127.0.0.1:8787/webhooks/" + i.Vendor, Header: header, Body: []byte(body),
			Facts: []page.Fact{{Name: "Saved", Value: "deliveries/20261122-025107-0007.json"}, {Name: "Signed by", Value: "default"}},
		})
	}
	add(26*time.Hour, page.Item{Vendor: "workflux", Endpoint: "default", Type: "conversation.completed", Delivery: "evt_01J9", Verdict: "handled", Tone: page.Good, Status: 200, Explanation: "Authentic, and the callback returned no error."}, Conversation)
	add(50*time.Minute, page.Item{Vendor: "emberqa", Endpoint: "eu", Type: "red_flag", Delivery: "b71f0c9d2f6a4c2a", Verdict: "duplicate", Tone: page.Idle, Status: 200, Explanation: "The same delivery had already been handled, so its callback did not run again."}, `{"event":"red_flag","score":2}`)
	add(12*time.Minute, page.Item{Vendor: "convosphere", Endpoint: "default", Verdict: "rejected", Tone: page.Bad, Status: 401, Reason: "stale", Explanation: "The signature is right, but the timestamp is 11 min old and the window 5 min.\nA replay by curl has this result; aihooks replay signs again."}, `{"a":1}`)
	add(4*time.Minute, page.Item{Verdict: "unauthenticated", Tone: page.Bad, Status: 401, Reason: "signature_mismatch", Explanation: "No live key makes this signature. The body is what was signed with the secret, byte for byte; a trailing newline would explain it."}, "<script>alert('hello')</script>\n<img src=x onerror=alert(1)>\nrlo: \u202egnp.exe\u202c zero\u200bwidth \u2066isolate\u2069 עברית (abc) مرحبا")
	add(70*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "message.rated", Delivery: "dlv_20261122_9934acff", Verdict: "failed", Tone: page.Warn, Status: 503, Reason: "retry_after", Error: "the CRM asks to come back in 30 s", Explanation: "The callback asked for the delivery to come again in 30 s."}, Conversation)
	add(30*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "conversation.frustration", Delivery: "dlv_20261122_7f3a91bc", Verdict: "failed", Tone: page.Bad, Status: 500, Error: "pager: dial tcp 10.0.0.7:443: connect: connection refused", Explanation: "The callback returned an error. Greenflash delivers it again: 3 attempts in 30 min."}, Conversation)
	add(3*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "conversation.frustration", Delivery: "dlv_20261122_7f3a91bd", Verdict: "handled", Tone: page.Good, Status: 200, Explanation: "Authentic, fresh, and the callback returned no error."}, Conversation)
	return ring
}
