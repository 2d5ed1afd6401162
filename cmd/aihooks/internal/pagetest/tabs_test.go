package pagetest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxweb"
	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
	"github.com/aihooks/aihooks-go/webhook"
)

// sibling opens another tab of the same profile.
func (b *tab) sibling() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	other := &tab{t: b.t, ctx: ctx}
	require.NoError(b.t, chromedp.Listen(ctx, other.listen))
	other.look(desktop)
	b.t.Cleanup(other.settle)
	return other
}

// show makes the page believe that its tab is hidden or shown.
func (b *tab) show(shown bool) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(Object.defineProperty(document, 'hidden', { value: %t, configurable: true }), document.dispatchEvent(new Event('visibilitychange')))`, !shown))
}

// countStreams counts the open event streams of a handler, and the most at once.
func countStreams(handler http.Handler) (counted http.Handler, open, most *atomic.Int32) {
	open, most = new(atomic.Int32), new(atomic.Int32)
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/api/events") {
			mu.Lock()
			most.Store(max(most.Load(), open.Add(1)))
			mu.Unlock()
			defer open.Add(-1)
		}
		handler.ServeHTTP(w, r)
	}), open, most
}

func TestStream_IsSharedByTabs(t *testing.T) {
	ring := live.New(live.Options{})
	handler, open, most := countStreams(pagekit.New(t, ring, page.Options{}))
	address := pagekit.ServeHandler(t, handler)
	tabs := []*tab{newTab(t, desktop)}
	for range 7 {
		tabs = append(tabs, tabs[0].sibling())
	}
	for _, b := range tabs {
		b.open(address)
		b.until(isLive)
	}
	ring.Add(page.Detail{Item: page.Item{Type: "to.all"}})
	for _, b := range tabs {
		b.until(rows(1))
	}
	require.EqualValues(t, 1, open.Load())

	// The tab that has the stream is hidden, and then closed.
	tabs[0].show(false)
	for _, b := range tabs[1:] {
		b.until(isLive)
	}
	ring.Add(page.Detail{Item: page.Item{Type: "to.seven"}})
	for _, b := range tabs[1:] {
		b.until(rows(2))
	}
	require.True(t, eval[bool](tabs[0], rows(1)), "a hidden tab has no stream")
	require.NoError(t, chromedp.Cancel(tabs[1].ctx))
	require.Eventually(t, func() bool {
		ring.Add(page.Detail{Item: page.Item{Type: "to.six"}})
		return eval[bool](tabs[2], `document.querySelector('.type').textContent === 'to.six'`)
	}, patience, 50*time.Millisecond, "another tab must take over")
	tabs[0].show(true)
	tabs[0].until(isLive + ` && document.querySelector('.type').textContent === 'to.six'`)
	require.LessOrEqual(t, most.Load(), int32(2), "only during a change of the tab, two streams may be open")
}

// Without https or on an address in the network, the browser has no locks.
func TestStream_WorksWithoutLocks(t *testing.T) {
	ring := live.New(live.Options{})
	handler, open, _ := countStreams(pagekit.New(t, ring, page.Options{}))
	b := newTab(t, desktop)
	_, err := chromedp.Call(b.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: `Object.defineProperty(navigator, 'locks', { value: undefined })`})
	require.NoError(t, err)
	b.open(pagekit.ServeHandler(t, handler))
	b.until(isLive + ` && navigator.locks === undefined`)
	b.show(false)
	require.Eventually(t, func() bool { return open.Load() == 0 }, patience, 10*time.Millisecond)
	for range 3 {
		ring.Add(page.Detail{})
	}
	b.show(true)
	b.until(isLive + " && " + rows(3))
	ring.Add(page.Detail{})
	b.until(rows(4))
}

func TestStream_IsSeparateForEachPage(t *testing.T) {
	boxes := map[string]*memorybox.Box{"/one": new(memorybox.Box), "/two": new(memorybox.Box)}
	mux := http.NewServeMux()
	for prefix, box := range boxes {
		page, err := inboxweb.New(box, inboxweb.Options{Visitor: func(*http.Request) (string, error) { return "alice", nil }})
		require.NoError(t, err)
		mux.Handle(prefix+"/", http.StripPrefix(prefix, page))
	}
	handler, open, _ := countStreams(mux)
	address := pagekit.ServeHandler(t, handler)
	first := newTab(t, desktop)
	tabs := map[string]*tab{"/one": first, "/two": first.sibling()}
	for prefix, b := range tabs {
		b.open(address + prefix + "/")
		b.until(isLive)
	}
	require.EqualValues(t, 2, open.Load())
	for prefix, b := range tabs {
		boxes[prefix].Add(inbox.Done, webhook.Delivery{Vendor: "workflux", Type: prefix})
		b.until(rows(1) + fmt.Sprintf(` && document.querySelector('.type').textContent === %q`, prefix))
	}
}

func TestStream_EndsAfterLogout(t *testing.T) {
	var loggedOut atomic.Bool
	page, err := inboxweb.New(new(memorybox.Box), inboxweb.Options{Visitor: func(*http.Request) (string, error) {
		if loggedOut.Load() {
			return "", errors.New("logged out")
		}
		return "alice", nil
	}})
	require.NoError(t, err)
	b := newTab(t, desktop)
	b.expect("403")
	b.open(pagekit.ServeHandler(t, page))
	b.until(isLive)
	loggedOut.Store(true)
	b.until(`document.querySelector('.toast[role=alert] p')?.textContent === 'You must not see this page, or you are logged out. Log in, and reload the page.'`)
	b.until(`document.getElementById('connection').dataset.state === 'lost'`)
}
