package pagetest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

// A busyPage is a page with 150 deliveries. The newest is open, has a long body and can be replayed.
type busyPage struct {
	*tab
	ring     *live.Ring
	replayed atomic.Int32
}

const newest = "150"

// recordResponses counts the responses that the page has read. It also keeps the page from ending a press before the test does.
const recordResponses = `(() => {
	window.responses = 0;
	const json = Response.prototype.json;
	Response.prototype.json = async function () { const value = await json.call(this); window.responses++; return value; };
	const set = window.setTimeout;
	window.setTimeout = (f, ms) => set(f, ms === 5000 ? 600000 : ms);
	return true;
})()`

func newBusyPage(t *testing.T) *busyPage {
	t.Helper()
	s := &busyPage{}
	s.ring = live.New(live.Options{Replay: func(context.Context, page.Detail) (string, error) { s.replayed.Add(1); return "Replayed.", nil }})
	for i := range 150 {
		d := page.Detail{
			Item:   page.Item{Vendor: "greenflash", Type: "message.rated", Delivery: "dlv_" + strconv.Itoa(i+1), Verdict: "handled", Tone: page.Good},
			Method: "POST", URL: "http://127.0.0.1:1/", Header: http.Header{"X-First": {"1"}}, Body: []byte(pagekit.Conversation),
			Facts: []page.Fact{{Name: "Saved", Value: "deliveries/0001.json"}},
		}
		if i == 149 {
			d.Error = strings.Repeat("a line\n", 100)
			d.Body = []byte(`{"long": "` + strings.Repeat("0123456789abcdef", 1<<14) + `"}`)
		}
		s.ring.Add(d)
	}
	s.tab = newTab(t, desktop)
	s.tab.open(pagekit.Serve(t, s.ring, page.Options{}) + "#id=" + newest)
	s.until(isLive + ` && document.querySelector('#detail .more') && ` + rows(100))
	require.True(t, eval[bool](s.tab, recordResponses))
	return s
}

// change adds a delivery of another vendor, and then changes the open delivery. In this order, a list that is loaded after the first
// notification already has the new delivery.
func (s *busyPage) change() {
	s.ring.Add(page.Detail{Item: page.Item{Vendor: "convosphere", Type: "late", Verdict: "unauthenticated", Tone: page.Bad}})
	s.ring.Update(newest, func(d *page.Detail) { d.Verdict, d.Tone, d.Reason = "failed", page.Bad, "callback_error" })
}

const changed = `document.querySelector('#detail .chip').textContent === 'Failed' && document.querySelectorAll('.row .chip[data-tone=bad]').length > 1`

func TestPage_KeepsClickDuringChange(t *testing.T) {
	for name, c := range map[string]struct {
		selector string
		before   func(*busyPage)
		effect   string // true after the click had its effect
	}{
		"replay":    {selector: `[data-action="replay"]`, effect: `document.querySelector('.toast p')?.textContent === 'Replayed.'`},
		"copy":      {selector: `[data-action="copy"]`, effect: `document.getElementById('copy').open || document.querySelector('.toast')`},
		"tab":       {selector: `#tab-headers`, effect: `document.querySelector('#detail .headers th')?.textContent === 'X-First'`},
		"show all":  {selector: `#detail .more`, effect: `document.querySelector('#detail .code').textContent.length > 1 << 18`},
		"filter":    {selector: `.count[data-verdict="handled"]`, effect: `location.hash.includes('verdict=handled') && document.querySelectorAll('.row .chip[data-tone=bad]').length === 0`},
		"row":       {selector: `.row[data-id="149"]`, effect: `location.hash.includes('id=149') && ` + shows("dlv_149")},
		"older":     {selector: `#older`, effect: rows(151)},
		"clear all": {selector: `#empty button`, before: func(s *busyPage) { s.keys("/nowhere"); s.until(rows(0)) }, effect: rows(100)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBusyPage(t)
			if c.before != nil {
				c.before(s)
			}
			at := s.middle(c.selector)
			responses := eval[int](s.tab, "responses")
			s.mouse(input.DispatchMouseEventTypeMousePressed, at)
			s.change()
			s.until(fmt.Sprintf("responses > %d", responses))
			require.True(t, eval[bool](s.tab, `fetch('api/items?limit=1').then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`))
			s.mouse(input.DispatchMouseEventTypeMouseReleased, at)
			s.until(c.effect)
			if name != "row" && name != "filter" {
				s.until(`document.querySelector('#detail .chip').textContent === 'Failed'`) // the delayed change
			}
		})
	}
}

func TestPage_KeepsSelection(t *testing.T) {
	for _, selector := range []string{"#detail .code", "#detail .error", "#detail .facts", "#detail .vendor", `.row[data-id="150"] .id`} {
		t.Run(selector, func(t *testing.T) {
			s := newBusyPage(t)
			selected := eval[string](s.tab, fmt.Sprintf(`(getSelection().selectAllChildren(document.querySelector(%q)), getSelection().toString())`, selector))
			require.NotEmpty(t, selected)
			s.change()
			s.until(changed)
			require.Equal(t, selected, eval[string](s.tab, `getSelection().toString()`))
		})
	}
}

func TestPage_KeepsFocusAndScroll(t *testing.T) {
	s := newBusyPage(t)
	for _, selector := range []string{`[data-action="replay"]`, `#tab-event`, `#detail .more`, `#detail .code`, `.row[data-id="150"]`, `.count[data-verdict="handled"]`} {
		eval[bool](s.tab, fmt.Sprintf(`(() => {
			document.querySelector(%q).focus();
			window.focused = document.activeElement;
			document.querySelector('#detail .error').scrollTop = 70;
			document.getElementById('detail').scrollTop = 1e6;
			window.scrolled = document.getElementById('detail').scrollTop;
			return true;
		})()`, selector))
		s.change()
		s.until(changed)
		s.until(`document.getElementById('detail').scrollTop > 0`)
		require.True(t, eval[bool](s.tab, `focused.isConnected && document.activeElement === focused`), selector)
		require.InDelta(t, 70, eval[float64](s.tab, `document.querySelector('#detail .error').scrollTop`), 1, selector)
		s.ring.Update(newest, func(d *page.Detail) { d.Verdict, d.Tone, d.Reason = "handled", page.Good, "" })
		s.until(`document.querySelector('#detail .chip').textContent === 'Handled'`)
	}
}

func TestPage_KeepsWholeBody(t *testing.T) {
	const whole = `document.querySelector('#detail .code').textContent.length > 1 << 18`
	s := newBusyPage(t)
	s.click("#detail .more")
	s.until(whole)
	s.change()
	s.until(changed + ` && ` + whole)
	s.click("#tab-headers")
	s.until(`document.querySelector('#detail .headers')`)
	s.click("#tab-event")
	s.until(whole)
}

func TestPage_KeepsTypedText(t *testing.T) {
	s := newBusyPage(t)
	s.keys("/")
	s.keys("late x")
	eval[bool](s.tab, `(document.activeElement.blur(), true)`) // before the search begins, on a fast machine
	s.change()
	s.until(`document.getElementById('text').value === 'late x' && location.hash.includes('text=late+x')`)
	s.keys("/" + kb.End + kb.Backspace + kb.Backspace)
	s.click(`.count[data-verdict="unauthenticated"]`)
	s.until(`document.getElementById('text').value === 'late' && location.hash.includes('text=late&') && ` + rows(1))

	// A space at the end must stay, because the visitor types the next word.
	s.keys("/" + kb.End + " ")
	s.change()
	s.until(rows(2))
	require.Equal(t, "late ", eval[string](s.tab, `document.getElementById('text').value`))
}

func TestPage_KeepsOpenVendorList(t *testing.T) {
	const options = `[...document.getElementById('vendor').options].map((o) => o.value).join()`
	s := newBusyPage(t)
	eval[bool](s.tab, `(document.getElementById('vendor').focus(), true)`)
	s.change()
	s.until(changed)
	require.Equal(t, ",greenflash", eval[string](s.tab, options))
	eval[bool](s.tab, `(document.getElementById('vendor').blur(), true)`)
	require.Equal(t, ",convosphere,greenflash", eval[string](s.tab, options))
}

func TestPage_KeepsConfirmation(t *testing.T) {
	s := newBusyPage(t)
	s.ring.Update(newest, func(d *page.Detail) { d.Actions = []page.Action{{Name: "replay", Label: "Send", Confirm: "Really?"}} })
	s.until(`document.querySelector('[data-action=replay]').textContent.startsWith('Send')`)
	s.click(`[data-action="replay"]`)
	s.until(`document.getElementById('confirm').open`)
	s.change()
	s.until(changed)
	require.Equal(t, "Really?", eval[string](s.tab, `document.getElementById('confirm').open && document.getElementById('confirm-text').textContent`))
	s.click("#confirm-yes")
	s.until(`document.querySelector('.toast p')?.textContent === 'Replayed.'`)
	require.EqualValues(t, 1, s.replayed.Load())
}

// The browser reports only later that a dialog was closed.
func TestPage_AsksAgainAtOnce(t *testing.T) {
	s := newBusyPage(t)
	s.ring.Update(newest, func(d *page.Detail) { d.Actions = []page.Action{{Name: "replay", Label: "Send", Confirm: "Really?"}} })
	s.until(`document.querySelector('[data-action=replay]').textContent.startsWith('Send')`)
	require.True(t, eval[bool](s.tab, `new Promise((done) => {
		const replay = document.querySelector('[data-action=replay]');
		const dialog = document.getElementById('confirm');
		dialog.addEventListener('close', () => setTimeout(() => done(dialog.open)), { once: true });
		replay.click();
		document.getElementById('confirm-no').click();
		replay.click();
	})`))
	s.click("#confirm-yes")
	s.until(`document.querySelector('.toast p')?.textContent === 'Replayed.'`)
	require.EqualValues(t, 1, s.replayed.Load())
}

// A slowSource returns the detail of one delivery only after it is released.
type slowSource struct {
	*live.Ring
	id       string
	released chan struct{}
}

func (s slowSource) Detail(ctx context.Context, id string) (page.Detail, error) {
	if id == s.id {
		select {
		case <-s.released:
		case <-ctx.Done():
			return page.Detail{}, ctx.Err()
		}
	}
	return s.Ring.Detail(ctx, id)
}

func TestPage_ActsOnChosenDelivery(t *testing.T) {
	replayed := make(chan string, 9)
	ring := live.New(live.Options{Replay: func(_ context.Context, d page.Detail) (string, error) { replayed <- d.ID; return "Replayed.", nil }})
	for range 2 {
		ring.Add(page.Detail{Body: []byte(`"` + strings.Repeat("0123456789abcdef", 1<<14) + `"`)})
	}
	released := make(chan struct{})
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, slowSource{Ring: ring, id: "1", released: released}, page.Options{}) + "#id=2")
	b.until(`document.querySelector('#detail .more') && ` + rows(2))
	b.keys("j")
	b.until(`location.hash === '#id=1'`)
	require.True(t, eval[bool](b, `[...document.getElementById('detail').children].every((e) => e.inert)`), "the previous delivery is still shown, and must be disabled")
	b.keys("r")
	close(released)
	require.Equal(t, "1", <-replayed)
	b.until(`document.querySelector('#detail .save').download === 'delivery-1.json' && !document.querySelector('#detail [inert]')`)
	require.Empty(t, replayed)
}
