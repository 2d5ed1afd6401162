package pagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

const isLive = `document.getElementById('connection').dataset.state === 'live'`

func rows(n int) string { return fmt.Sprintf("document.querySelectorAll('.row').length === %d", n) }

// shows is true when the detail contains a text.
func shows(text string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf("document.getElementById('detail').textContent.includes(%s)", quoted)
}

// showsDelivery is true when the detail shows the body of a delivery, and no longer the previous one.
func showsDelivery(id string) string {
	return fmt.Sprintf("document.querySelector('#detail .save')?.download === 'delivery-%s.json' && !document.querySelector('#detail [inert]')", id)
}

func TestPage_ShowsNewDeliveries(t *testing.T) {
	ring := live.New(live.Options{Title: "here", Hint: "Nothing yet.\n$ aihooks send greenflash"})
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, ring, page.Options{}))
	b.until(isLive)
	b.until(`document.querySelector('#empty .command').textContent === 'aihooks send greenflash'`)
	b.shoot("desktop-empty")
	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Type: "message.rated", Verdict: "handled", Tone: page.Good}})
	b.until(rows(1) + ` && document.getElementById('empty').hidden`)
	b.until(`document.querySelector('.row .type').textContent === 'message.rated'`)
	b.until(`document.title === 'here · aihooks'`)
	b.until(`document.getElementById('announce').textContent.includes('message.rated')`)

	// The open delivery changes.
	b.click(".row")
	b.until(shows("Handled"))
	ring.Update("1", func(d *page.Detail) { d.Verdict, d.Tone, d.Error = "failed", page.Bad, "it ended late" })
	b.until(shows("it ended late"))

	// Many deliveries arrive, and the page loads only a part.
	for range 700 {
		ring.Add(page.Detail{Item: page.Item{Vendor: "workflux", Verdict: "handled", Tone: page.Good}})
	}
	b.until(`document.querySelector('.count').textContent === 'All701'`)
	require.Equal(t, 100, eval[int](b, `document.querySelectorAll('.row').length`))
	b.click("#older")
	b.until(rows(200))
	require.Equal(t, "601", eval[string](b, `document.activeElement.dataset.id`), "the focus must be on the first older delivery")
}

func TestPage_KeepsFiltersOnReload(t *testing.T) {
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, pagekit.SampleRing(), page.Options{}))
	b.until(rows(7))
	b.click(`.count[data-verdict="handled"]`)
	b.until(rows(2))
	eval[bool](b, `(document.getElementById('vendor').value = 'greenflash', document.getElementById('vendor').dispatchEvent(new Event('change')))`)
	b.until(rows(1))
	require.NoError(t, reload(b))
	b.until(rows(1) + ` && document.getElementById('vendor').value === 'greenflash' && document.querySelector('[aria-pressed=true]').dataset.verdict === 'handled'`)
	b.keys("/")
	b.keys("nowhere")
	b.until(rows(0))
	b.click("#empty button")
	b.until(rows(7))
}

func TestPage_ReplaysAndCopies(t *testing.T) {
	var replayed atomic.Int32
	ring := live.New(live.Options{Replay: func(_ context.Context, d page.Detail) (string, error) {
		if replayed.Add(1) == 2 {
			return "", fmt.Errorf("nothing listens for %s", d.Type)
		}
		return "Answered 200 <b>handled</b>.", nil
	}})
	ring.Add(page.Detail{Item: page.Item{Vendor: "greenflash", Type: "message.rated", Verdict: "failed"}, Method: "POST", URL: "http://127.0.0.1:1/", Body: []byte("{}")})
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, ring, page.Options{}))
	b.click(".row")
	b.click(`button[data-action="replay"]`)
	b.until(`document.querySelector('.toast p')?.textContent === 'Answered 200 <b>handled</b>.'`)
	require.EqualValues(t, 1, replayed.Load())
	b.expect("409")
	b.keys("r")
	b.until(`document.querySelector('.toast[role=alert] p')?.textContent === 'nothing listens for message.rated'`)
	eval[bool](b, `Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } }) !== null`)
	b.until(`!document.body.classList.contains('acting')`)
	b.keys("c")
	b.until(`window.copied?.startsWith("curl -i")`)
	eval[bool](b, `Object.defineProperty(navigator.clipboard, 'writeText', { value: async () => { throw new Error('no'); } }) !== null`)
	b.keys("c")
	b.until(`document.getElementById('copy').open && document.getElementById('copy-text').value === window.copied`)
}

func TestPage_SupportsKeyboardOnlyUse(t *testing.T) {
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, pagekit.SampleRing(), page.Options{}))
	b.until(rows(7))
	focused := func() string {
		return eval[string](b, `document.activeElement.dataset.id ?? document.activeElement.id`)
	}
	b.keys("j")
	b.until(shows("dlv_20261122_7f3a91bd"))
	b.keys("j")
	b.until(shows("connection refused"))
	require.Equal(t, "6", focused())
	b.keys(kb.ArrowDown + kb.ArrowDown + kb.ArrowUp)
	require.Equal(t, "5", focused())
	b.keys("k")
	require.Equal(t, "6", focused())
	b.until(shows("connection refused"))
	b.keys(kb.Enter)
	require.Equal(t, "detail", focused())
	b.keys("r")
	b.until(`document.querySelector('.toast')`)
	b.keys(kb.Escape)
	b.until(`document.activeElement.dataset.id === '6' && !document.querySelector('#detail h2')`)
	b.keys("?")
	b.until(`document.getElementById('help').open`)
	b.shoot("desktop-help")
	b.keys("j" + kb.Escape)
	b.until(`!document.getElementById('help').open`)
	require.Equal(t, "6", focused(), "an open dialog must get all keys")
	b.keys("/")
	require.Equal(t, "text", focused())
	b.keys("jrc")
	require.Equal(t, "jrc", eval[string](b, `document.activeElement.value`), "typed keys must not be shortcuts")

	// Every element that Tab focuses has a visible outline and a name, and Tab reaches the end.
	eval[bool](b, `(document.activeElement.blur(), true)`)
	b.open(eval[string](b, "location.origin") + "/#id=6")
	b.until(shows("connection refused"))
	seen := map[string]bool{}
	for range 25 {
		b.keys(kb.Tab)
		stop := eval[string](b, `(() => { const e = document.activeElement; const s = getComputedStyle(e);
			return e === document.body ? 'end' : [e.tagName, e.id, e.dataset.action ?? e.dataset.verdict ?? e.dataset.tab ?? e.dataset.id ?? ''].join('#') + ((s.outlineStyle !== 'none' && s.outlineWidth !== '0px') ? '' : ' not seen')
				+ ((e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length) ? '' : ' has no name'); })()`)
		require.NotContains(t, stop, "not seen")
		require.NotContains(t, stop, "has no name")
		seen[stop] = true
	}
	for _, stop := range []string{"SELECT#vendor#", "INPUT#text#", "LI##6", "BUTTON##replay", "BUTTON##copy", "BUTTON#tab-event#event", "end"} {
		if stop == "LI##6" {
			continue // Tab focuses the first row, or the row that had the focus last
		}
		require.Contains(t, seen, stop)
	}
}

func TestPage_ShowsOnePaneOnPhones(t *testing.T) {
	b := newTab(t, phone)
	b.open(pagekit.Serve(t, pagekit.SampleRing(), page.Options{}))
	b.until(rows(7))
	b.click(`.row[data-id="6"]`)
	b.until(shows("connection refused"))
	b.until(`document.getElementById('detail').getBoundingClientRect().width === 390`)
	b.click("#detail .back")
	b.until(`getComputedStyle(document.getElementById('detail')).display === 'none' && location.hash === ''`)
	b.click(`.row[data-id="5"]`)
	b.until(shows("the CRM asks"))
	eval[bool](b, `(history.back(), true)`) // like the back button of the phone
	b.until(`getComputedStyle(document.getElementById('detail')).display === 'none'`)
}

func TestPage_ReportsLostConnectionAndReconnects(t *testing.T) {
	ring := live.New(live.Options{})
	handler := pagekit.New(t, ring, page.Options{})
	server, address := serveAt(t, handler, "127.0.0.1:0")
	b := newTab(t, desktop)
	b.open("http://" + address)
	b.until(isLive)
	b.expect("ERR_")
	b.expect("Failed to load resource")
	require.NoError(t, server.Close())
	b.until(`document.getElementById('connection-text').textContent === 'Connection lost'`)
	b.shoot("desktop-lost")
	ring.Add(page.Detail{Item: page.Item{Type: "while.down"}})
	serveAt(t, handler, address)
	b.until(isLive)
	b.until(rows(1))
}

// serveAt serves a page on an address, which another server may have just closed.
func serveAt(t *testing.T, handler http.Handler, address string) (*http.Server, string) {
	t.Helper()
	var listener net.Listener
	require.Eventually(t, func() bool {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		listener = l
		return err == nil
	}, patience, 50*time.Millisecond)
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return server, listener.Addr().String()
}

func TestPage_RefusesOtherSites(t *testing.T) {
	var replayed atomic.Int32
	ring := live.New(live.Options{Replay: func(context.Context, page.Detail) (string, error) { replayed.Add(1); return "", nil }})
	ring.Add(page.Detail{Item: page.Item{Type: "secret.event"}, Body: []byte("{}")})
	address := pagekit.Serve(t, ring, page.Options{})
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>other</title><iframe name=f></iframe>
<form id=form method=post action="%s/api/items/1/actions/replay" enctype="text/plain" target=f><input name='{"a":"' value='"}'></form>`, address)
	}))
	defer foreign.Close()
	b := newTab(t, desktop)
	b.expect("") // all requests fail
	for _, site := range []string{foreign.URL, "http://evil.test:" + pagekit.PortOf(t, foreign.URL)} {
		b.open(site)
		result := eval[[]string](b, fmt.Sprintf(`(async () => {
			const at = %q;
			const tried = async (f) => { try { const r = await f(); return r.type === 'opaque' ? 'opaque' : await r.text(); } catch { return 'refused'; } };
			const loads = (tag, set) => new Promise((done) => { const e = document.createElement(tag); set(e); e.onload = () => done('loaded'); e.onerror = () => done('refused'); document.body.append(e); });
			document.getElementById('form').submit();
			return [
				await tried(() => fetch(at + '/api/items')),
				await tried(() => fetch(at + '/api/items', { mode: 'no-cors' })),
				await tried(() => fetch(at + '/api/items', { credentials: 'include' })),
				await tried(() => fetch(at + '/api/items/1/actions/replay', { method: 'POST', body: '{}' })),
				await tried(() => fetch(at + '/api/items/1/actions/replay', { method: 'POST', body: '{}', mode: 'no-cors' })),
				await tried(() => fetch(at + '/api/items/1/actions/replay', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } })),
				await new Promise((done) => { const s = new EventSource(at + '/api/events'); s.onerror = () => { s.close(); done('refused'); }; s.addEventListener('hello', () => done('heard')); }),
				await loads('script', (e) => { e.src = at + '/app.js'; }),
				await loads('img', (e) => { e.src = at + '/icon.svg'; }),
			];
		})()`, address))
		require.Equal(t, strings.Fields(strings.Repeat("refused ", 9)), result, site)
	}
	require.Zero(t, replayed.Load())

	// With DNS rebinding, the name of another site leads to this machine, and the page has that origin.
	b.open("http://evil.test:" + pagekit.PortOf(t, address))
	require.Contains(t, eval[string](b, `document.body.innerText`), "The page is not available under this host name.")
	require.Equal(t, 403, eval[int](b, `fetch('/api/items').then((r) => r.status)`))
	require.Equal(t, 403, eval[int](b, `fetch('/api/items/1/actions/replay', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }).then((r) => r.status)`))
	require.Zero(t, replayed.Load())
}

func TestPage_OpensWithToken(t *testing.T) {
	const token = "0123456789abcdef0123"
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{Token: token})
	b := newTab(t, desktop)
	b.open(address + "/?token=" + token)
	b.until(rows(7) + " && " + isLive)
	require.Empty(t, eval[string](b, "location.search"))
	require.Empty(t, eval[string](b, "document.cookie"), "scripts must not have access to the cookie")

	// The browser must not send the cookie to a server on another port of this machine.
	cookies := make(chan []*http.Cookie, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cookies <- r.Cookies() }))
	defer other.Close()
	b.expect("404")
	b.open(other.URL)
	require.Empty(t, <-cookies)
}

func TestPage_ReportsOldToken(t *testing.T) {
	open := func(token string) http.Handler {
		return pagekit.New(t, pagekit.SampleRing(), page.Options{Token: token})
	}
	server, address := serveAt(t, open("0123456789abcdef0123"), "127.0.0.1:0")
	b := newTab(t, desktop)
	b.open("http://" + address + "/?token=0123456789abcdef0123")
	b.until(isLive)
	b.expect("ERR_")
	b.expect("Failed to load resource")
	require.NoError(t, server.Close())
	serveAt(t, open("another-0123456789abcdef"), address)
	b.until(`document.querySelector('.toast[role=alert] p')?.textContent.startsWith('The token is missing or old.')`)
}
