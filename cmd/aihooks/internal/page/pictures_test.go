package page_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/live"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

const conversation = `{"type":"conversation.frustration","timestamp":"2026-11-22T02:51:07Z","data":{"conversationId":"cnv_7f3a91","productId":"support-bot","customer":{"name":"Zoë Brück","plan":"pro","seats":12,"trial":false,"referrer":null},"frustration":{"level":"high","score":0.87,"quotes":["I have explained this three times now 😤","Let me talk to a human."]},"ids":[12345678901234567890,2,3]}}`

// newPage returns a page. Requests already have the cookie with the token, unless the test sets a token.
func newPage(t *testing.T, source page.Source, o page.Options) http.Handler {
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
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/?token="+token, nil))
	path := strings.TrimSuffix(w.Header().Get("Location"), "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "aihooks" + (&url.URL{Host: r.Host}).Port(), Value: token})
		r.URL.Path = path + r.URL.Path
		if r.URL.RawPath != "" {
			r.URL.RawPath = path + r.URL.RawPath
		}
		handler.ServeHTTP(w, r)
	})
}

// serve serves a page on a free port, and returns its URL.
func serve(t *testing.T, source page.Source, o page.Options) string {
	t.Helper()
	server := httptest.NewUnstartedServer(newPage(t, source, o))
	ctx, cancel := context.WithCancel(context.Background())
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	return server.URL
}

// sampleRing returns a ring with a delivery of each tone.
func sampleRing() *live.Ring {
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
	add(26*time.Hour, page.Item{Vendor: "workflux", Endpoint: "default", Type: "conversation.completed", Delivery: "evt_01J9", Verdict: "handled", Tone: page.Good, Status: 200, Explanation: "Authentic, and the callback returned no error."}, conversation)
	add(50*time.Minute, page.Item{Vendor: "emberqa", Endpoint: "eu", Type: "red_flag", Delivery: "b71f0c9d2f6a4c2a", Verdict: "duplicate", Tone: page.Idle, Status: 200, Explanation: "The same delivery had already been handled, so its callback did not run again."}, `{"event":"red_flag","score":2}`)
	add(12*time.Minute, page.Item{Vendor: "convosphere", Endpoint: "default", Verdict: "rejected", Tone: page.Bad, Status: 401, Reason: "stale", Explanation: "The signature is right, but the timestamp is 11 min old and the window 5 min.\nA replay by curl has this result; aihooks replay signs again."}, `{"a":1}`)
	add(4*time.Minute, page.Item{Verdict: "unauthenticated", Tone: page.Bad, Status: 401, Reason: "signature_mismatch", Explanation: "No live key makes this signature. The body is what was signed with the secret, byte for byte; a trailing newline would explain it."}, "<script>alert('hello')</script>\n<img src=x onerror=alert(1)>\nrlo: \u202egnp.exe\u202c zero\u200bwidth \u2066isolate\u2069 עברית (abc) مرحبا")
	add(70*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "message.rated", Delivery: "dlv_20261122_9934acff", Verdict: "failed", Tone: page.Warn, Status: 503, Reason: "retry_after", Error: "the CRM asks to come back in 30 s", Explanation: "The callback asked for the delivery to come again in 30 s."}, conversation)
	add(30*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "conversation.frustration", Delivery: "dlv_20261122_7f3a91bc", Verdict: "failed", Tone: page.Bad, Status: 500, Error: "pager: dial tcp 10.0.0.7:443: connect: connection refused", Explanation: "The callback returned an error. Greenflash delivers it again: 3 attempts in 30 min."}, conversation)
	add(3*time.Second, page.Item{Vendor: "greenflash", Endpoint: "default", Type: "conversation.frustration", Delivery: "dlv_20261122_7f3a91bd", Verdict: "handled", Tone: page.Good, Status: 200, Explanation: "Authentic, fresh, and the callback returned no error."}, conversation)
	return ring
}

// tooWide names elements that are wider than the screen.
const tooWide = `[...document.querySelectorAll('.top > *, .filters > *, .row > *, #detail > *, #detail .code, #detail .facts > *, #detail .actions > *')]
	.filter((e) => e.getBoundingClientRect().right > %d + 1).map((e) => e.className).join()`

// tooFaint names texts whose contrast to their background is below 4.5, the minimum of WCAG at level AA.
const tooFaint = `(() => {
	const channels = (color) => { const n = color.match(/[\d.]+/g).map(Number); return color.startsWith('color(') ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1]; };
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
	return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('[aria-hidden=true]') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).filter((e) => {
		const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
		return (a + 0.05) / (b + 0.05) < 4.5;
	}).map((e) => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 20)).join(', ');
})()`

// TestThePageOnEveryScreen also takes screenshots.
func TestThePageOnEveryScreen(t *testing.T) {
	address := serve(t, sampleRing(), page.Options{})
	for name, s := range map[string]screen{
		"desktop-light": desktop, "desktop-dark": {width: 1440, height: 900, dark: true},
		"phone-light": phone, "phone-dark": {width: 390, height: 844, phone: true, dark: true},
	} {
		b := newTab(t, s)
		b.open(address)
		b.until(`document.querySelectorAll('.row').length === 7`)
		b.until(`document.getElementById('connection').dataset.state === 'live'`)
		require.Equal(t, s.dark, eval[bool](b, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).every((n) => n < 64)`), name)
		b.shoot(name + "-list")
		for shot, id := range map[string]string{"detail": "7", "failed": "6", "hostile": "4", "stale": "3"} {
			b.open(address + "#id=" + id)
			b.until(showsDelivery(id))
			require.Empty(t, eval[string](b, fmt.Sprintf(tooWide, s.width)), name)
			require.Empty(t, eval[string](b, tooFaint), name)
			b.shoot(name + "-" + shot)
		}
	}
}
