package pagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

// patience is how long a test waits for a condition. It is long, because the machine may be busy.
const patience = kit.Patience

// chromium starts the browser, once for all tests.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := pagekit.Chromium()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(kit.Patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP evil.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE "+strings.Join(ownAddresses(), ", EXCLUDE ")))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	endChromium = func() { _ = chromedp.Cancel(ctx); cancel(); end() }
	return ctx, chromedp.Do(ctx)
})

var endChromium = func() {}

// ownAddresses returns the IP addresses of this machine.
func ownAddresses() []string {
	var own []string
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return []string{"127.0.0.1"}
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().String())
		}
	}
	return own
}

func TestMain(m *testing.M) {
	code := m.Run()
	endChromium()
	os.Exit(code)
}

// A screen describes the emulated screen.
type screen struct {
	width, height int64
	phone, dark   bool
}

var (
	desktop = screen{width: 1440, height: 900}
	phone   = screen{width: 390, height: 844, phone: true}
)

// A tab is a browser tab with a separate profile.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // errors of scripts and of the Content-Security-Policy
	requests   []string
	expected   []string // parts of complaints that the test provokes
	opened     bool
}

// newTab opens an empty tab. At the end of the test, the page must have had no unexpected error, and must have sent requests only
// to this machine.
func newTab(t *testing.T, s screen) *tab {
	t.Helper()
	browser, err := chromium()
	require.NoError(t, err)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(stop)
	b := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	b.look(s)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			text, _ := json.Marshal(e.Args)
			b.complaints = append(b.complaints, string(text))
		}
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		b.complaints = append(b.complaints, string(text))
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// expect allows complaints that contain a text.
func (b *tab) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

func (b *tab) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		known := false
		for _, text := range b.expected {
			known = known || strings.Contains(complaint, text)
		}
		require.True(b.t, known, "the page had an error: %s", complaint)
	}
	for _, request := range b.requests {
		u, err := url.Parse(request)
		require.NoError(b.t, err)
		require.Contains(b.t, append(ownAddresses(), "localhost", "evil.test", ""), u.Hostname(), request) // a data: URL has no host
	}
}

// look emulates another screen.
func (b *tab) look(s screen) {
	b.t.Helper()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	var options []chromedp.EmulateViewportOption
	if s.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.EmulateViewport(s.width, s.height, options...)))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
	}})
	require.NoError(b.t, err)
}

// open opens an address. The server must already run: at the end of the test, it then stops after the checks of newTab, because a page
// without its server has errors.
func (b *tab) open(address string) {
	b.t.Helper()
	if !b.opened {
		b.opened = true
		b.t.Cleanup(b.settle)
	}
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(address)))
}

// eval returns the value of a JavaScript expression. It waits for promises.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	return value
}

// until waits until a JavaScript expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		value, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && value {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[location.href, document.getElementById('detail')?.innerText.slice(0, 1000), document.body.innerText.slice(0, 2000)].join('\n')`))
			require.FailNow(b.t, "the condition did not become true: "+expression, "%v\n%s\n%v", err, text, b.complaints)
		}
		<-time.After(20 * time.Millisecond) // a condition is polled
	}
}

func (b *tab) keys(keys string) {
	b.t.Helper()
	for _, r := range keys {
		events := kb.Encode(r)
		down, up := *events[0], *events[len(events)-1]
		if len(events) == 3 { // one event, like a keyboard sends: a page can then prevent the default
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		for _, event := range []input.DispatchKeyEventParams{down, up} {
			_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, event)
			require.NoError(b.t, err)
		}
	}
}

// click presses and releases the left button on an element.
func (b *tab) click(selector string) {
	b.t.Helper()
	at := b.middle(selector)
	b.mouse(input.DispatchMouseEventTypeMousePressed, at)
	b.mouse(input.DispatchMouseEventTypeMouseReleased, at)
}

// mouse presses or releases the left button.
func (b *tab) mouse(event input.DispatchMouseEventType, at []float64) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: event, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: 1})
	require.NoError(b.t, err)
}

// middle scrolls to an element and returns the middle of its first text, because a click often begins on a child. It waits until
// nothing covers the element and its position is stable: rows that come into view change their height in the next frames, and a click
// would hit another row.
func (b *tab) middle(selector string) []float64 {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q)", selector))
	return eval[[]float64](b, fmt.Sprintf(`new Promise((done, fail) => {
		const end = Date.now() + %d;
		let before;
		const look = () => {
			const e = document.querySelector(%q);
			const places = e ? [...e.querySelectorAll('span:not(:empty)'), e].map((part) => part.getBoundingClientRect()) : [];
			const at = places.map((r) => [r.x + r.width / 2, r.y + r.height / 2]).find((at) => e.contains(document.elementFromPoint(...at)));
			if (at && before === String(at)) return done(at);
			if (Date.now() > end) return fail(new Error('the element is covered, or it moves'));
			before = String(at);
			e?.scrollIntoViewIfNeeded();
			requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(look)));
		};
		look();
	})`, patience.Milliseconds(), selector))
}

// shoot takes a screenshot if PAGE_PICTURES names a folder.
func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("PAGE_PICTURES")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600))
}
