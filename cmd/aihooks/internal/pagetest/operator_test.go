package pagetest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxweb"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
	"github.com/aihooks/aihooks-go/webhook"
)

// operatorBox returns an inbox with 12 dead letters, seven of them of the type user.message, and an entry of each other state.
func operatorBox() *memorybox.Box {
	box := new(memorybox.Box)
	now := time.Now()
	add := func(state inbox.State, i int, eventType, problem string) {
		d := webhook.Delivery{Vendor: "workflux", Endpoint: "eu", Type: eventType, ID: fmt.Sprintf("dlv_%d", i), ReceivedAt: now.Add(time.Duration(i-20) * time.Minute), Body: []byte(`{"a":1}`)}
		attempt := inbox.Attempt{At: d.ReceivedAt, Outcome: webhook.Handled, Counted: true}
		if problem != "" {
			attempt.Outcome, attempt.Error = webhook.Failed, problem
		}
		box.Add(state, d, attempt)
	}
	for i := range 12 {
		if i < 7 {
			add(inbox.DeadLettered, i, "user.message", "dial tcp 10.0.0.7:443: connect: connection refused")
		} else {
			add(inbox.DeadLettered, i, "user.created", "the CRM is down")
		}
	}
	add(inbox.Done, 12, "user.message", "")
	add(inbox.Deferred, 13, "user.unknown", "no callback")
	return box
}

// serveInbox serves the page of an inbox below a path, behind a login by cookie, and returns its URL.
func serveInbox(t *testing.T, box inbox.Operator) string {
	t.Helper()
	page, err := inboxweb.New(box, inboxweb.Options{
		Visitor: func(r *http.Request) (string, error) {
			session, err := r.Cookie("session")
			if err != nil {
				return "", errors.New("not logged in")
			}
			return session.Value, nil
		},
		May: func(_ *http.Request, visitor string, _ inbox.Action) bool { return visitor == "alice" },
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/ops/inbox/", http.StripPrefix("/ops/inbox", page))
	return pagekit.ServeHandler(t, mux) + "/ops/inbox/"
}

// openInbox opens the page of an inbox as a visitor.
func openInbox(t *testing.T, s screen, box inbox.Operator, session, fragment string) *tab {
	t.Helper()
	address := serveInbox(t, box)
	b := newTab(t, s)
	b.logIn(address, session)
	b.open(address + fragment)
	b.until(isLive + ` && document.body.classList.contains('operator')`)
	return b
}

func (b *tab) logIn(address, session string) {
	b.t.Helper()
	u, err := url.Parse(address)
	require.NoError(b.t, err)
	_, err = chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: "session", Value: session, URL: u.Scheme + "://" + u.Host})
	require.NoError(b.t, err)
}

const (
	allOpen   = `document.getElementById('all').open`
	allButton = `[data-all="%s"]`
)

func lastChange(t *testing.T, box *memorybox.Box) inbox.Change {
	t.Helper()
	audit, err := box.Audit(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, audit)
	return audit[0]
}

func TestAll_RetriesWhatTheFiltersSelect(t *testing.T) {
	box := operatorBox()
	b := openInbox(t, desktop, box, "alice", "#text=CONNECTION+refused")
	b.until(rows(7))
	b.keys("a")
	b.until(allOpen + ` && document.getElementById('all-count').textContent === '7 dead letters. The newest are:'`)
	require.Equal(t, 5, eval[int](b, `document.querySelectorAll('#all-first li').length`))
	b.shoot("inbox-all")
	b.click(fmt.Sprintf(allButton, "retry"))
	b.until(`document.activeElement.id === 'confirm-reason'`)
	require.Equal(t, "Retry 7 dead letters? Their callbacks run soon.", eval[string](b, `document.getElementById('confirm-text').textContent`))
	require.Equal(t, "Retry 7", eval[string](b, `document.getElementById('confirm-yes').textContent`))
	b.shoot("inbox-all-confirm")
	b.keys("the database is back" + kb.Enter)
	b.until(`document.querySelector('.toast p')?.textContent === '7 entries were made pending again. The service runs them soon.' && !` + allOpen)
	change := lastChange(t, box)
	require.Equal(t, inbox.Actor{By: "alice", Reason: "the database is back"}, change.Actor)
	require.Equal(t, 7, change.Entries)
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5, stats.DeadLettered, "the other dead letters must not change")
}

func TestAll_RefusesMoreThanConfirmed(t *testing.T) {
	box := operatorBox()
	b := openInbox(t, desktop, box, "alice", "#type=user.message&dialog=all")
	b.click(fmt.Sprintf(allButton, "discard"))
	b.until(`document.activeElement.id === 'confirm-no'`)
	box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "workflux", Type: "user.message", ID: "late", ReceivedAt: time.Now().Add(-time.Hour)})
	b.expect("409")
	b.click("#confirm-yes")
	b.until(`document.querySelector('.toast[role=alert] p')?.textContent.startsWith('nothing was changed: there are now 8 entries instead of 7')`)
	b.until(`document.getElementById('all-count').textContent.startsWith('8 dead letters')`)
	audit, err := box.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, audit)

	b.click(fmt.Sprintf(allButton, "discard"))
	b.click("#confirm-yes")
	b.until(`!` + allOpen)
	require.Equal(t, 8, lastChange(t, box).Entries)
}

func TestAll_OffersWhatTheStateAllows(t *testing.T) {
	box := operatorBox()
	b := openInbox(t, desktop, box, "alice", "#verdict=deferred&dialog=all")
	b.until(`document.getElementById('all-count').textContent === '1 deferred delivery.'`)
	require.Equal(t, "discard", eval[string](b, `[...document.querySelectorAll('[data-all]')].map((e) => e.dataset.all).join()`))
	b.keys(kb.Escape)
	b.until(`!` + allOpen + ` && location.hash === '#verdict=deferred'`)
	b.expect("409")
	b.click(`.count[data-verdict="done"]`)
	b.until(`location.hash === '#verdict=done'`)
	b.keys("a")
	b.until(`document.getElementById('all-count').textContent.startsWith('only dead letters and deferred deliveries can be changed')`)
	require.Zero(t, eval[int](b, `document.querySelectorAll('[data-all]').length`))
}

func TestOperator_ReadsOnlyWithoutPermission(t *testing.T) {
	box := operatorBox()
	require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: "emberqa"}))
	b := openInbox(t, desktop, box, "bob", "#id=3")
	b.until(showsDelivery("3") + ` && document.getElementById('pauses-count').textContent === '1'`)
	require.Zero(t, eval[int](b, `document.querySelectorAll('#detail .actions button').length`))
	require.True(t, eval[bool](b, `document.getElementById('all-button').hidden`))
	b.keys("a" + "r" + "d" + "x" + "p")
	b.until(`document.querySelectorAll('#pauses-list li').length === 1`)
	require.True(t, eval[bool](b, `document.getElementById('pause-form').hidden && !document.querySelector('#pauses-list button')`))
}

func TestPauses_PauseAndResume(t *testing.T) {
	box := operatorBox()
	b := openInbox(t, desktop, box, "alice", "")
	b.until(rows(14))
	b.keys("p")
	b.until(`document.getElementById('pauses').open && document.getElementById('pauses-none').textContent === 'Nothing is paused.'`)
	for field, text := range map[string]string{"vendor": "workflux", "type": "user.message", "reason": "the CRM moves"} {
		eval[bool](b, fmt.Sprintf(`(document.getElementById('pause-%s').focus(), true)`, field))
		b.keys(text)
	}
	b.keys(kb.Enter)
	b.until(`/^workflux user\.messagePaused (now|\d+ (s|min) ago) by alice: the CRM moves/.test(document.querySelector('#pauses-list li')?.textContent)`)
	b.until(`document.getElementById('pauses-count').textContent === '1'`)
	b.shoot("inbox-pauses")
	require.Equal(t, inbox.Change{Actor: inbox.Actor{By: "alice", Reason: "the CRM moves"}, At: lastChange(t, box).At, Action: inbox.ActionPause, Filter: inbox.Filter{Vendor: "workflux", Type: "user.message"}}, lastChange(t, box))

	require.NoError(t, box.Pause(t.Context(), inbox.Scope{Endpoint: "eu"})) // by someone else
	b.until(`document.querySelectorAll('#pauses-list li').length === 2`)
	b.click(`#pauses-list button[aria-label="Resume workflux user.message"]`)
	b.until(`document.activeElement.id === 'confirm-reason'`)
	b.keys(kb.Enter)
	b.until(`document.querySelectorAll('#pauses-list li').length === 1`)
	require.Equal(t, inbox.ActionResume, lastChange(t, box).Action)
	b.expect("409")
	b.keys(kb.Escape + "p")
	b.click(`#pause-form button`)
	b.until(`document.querySelector('.toast[role=alert] p')?.textContent === 'choose a vendor, an endpoint or a type'`)
}

func TestChart_DrawsLastHours(t *testing.T) {
	for name, s := range map[string]screen{"desktop": desktop, "desktop-dark": {width: 1440, height: 900, dark: true}, "phone": phone, "phone-dark": {width: 390, height: 844, phone: true, dark: true}} {
		t.Run(name, func(t *testing.T) {
			b := openInbox(t, s, operatorBox(), "alice", "#chart=on")
			b.until(`document.querySelectorAll('#chart svg[role=img]').length === 4`)
			require.Regexp(t, `^Arrived: 14, at most \d+ in a step, \d\d:\d\d to now$`, eval[string](b, `document.querySelector('[data-count=arrived] svg').getAttribute('aria-label')`))
			require.Equal(t, 73, eval[int](b, `document.querySelectorAll('[data-count=arrived] g').length`), "72 steps, and the one that has begun")
			require.Equal(t, []string{"14", "1", "12", "1"}, eval[[]string](b, `[...document.querySelectorAll('#chart strong')].map((e) => e.textContent)`))
			require.Equal(t, "14 1 12", eval[string](b, `[1, 2, 3].map((column) => [...document.querySelectorAll('#chart-data tbody tr')].reduce((sum, row) => sum + Number(row.children[column].textContent), 0)).join(' ')`))
			require.Empty(t, eval[string](b, tooFaint))
			require.LessOrEqual(t, eval[int64](b, `document.documentElement.scrollWidth`), s.width)
			require.Empty(t, eval[string](b, fmt.Sprintf(tooWide, s.width)))
			b.shoot("inbox-chart-" + name)
			b.click("#chart-table")
			b.until(`document.querySelector('#chart-data').getBoundingClientRect().height > 50`)
			b.click("#chart-button")
			b.until(`document.getElementById('chart').hidden && location.hash === ''`)
			eval[bool](b, `(history.back(), true)`)
			b.until(`!document.getElementById('chart').hidden && location.hash === '#chart=on'`)
		})
	}
}

func TestList_IsTableOnWideScreens(t *testing.T) {
	for name, s := range map[string]screen{"light": desktop, "dark": {width: 1440, height: 900, dark: true}, "narrow": {width: 960, height: 700}} {
		b := openInbox(t, s, operatorBox(), "alice", "")
		b.until(rows(14))
		b.shoot("inbox-table-" + name)
		require.Empty(t, eval[string](b, tooFaint))
		require.Empty(t, eval[string](b, fmt.Sprintf(tooWide, s.width)))
		require.True(t, eval[bool](b, `(() => { const e = document.getElementById('list-pane'); return e.scrollWidth <= e.clientWidth; })()`), "no column may be cut off")
		require.Empty(t, eval[string](b, `(() => {
			const heads = [...document.querySelectorAll('.columns span')].map((e) => Math.round(e.getBoundingClientRect().left));
			const cells = ['time', '.from-cell', '.type', '.id', '.chip', '.tries', '.why'];
			return cells.map((selector, i) => {
				const cell = document.querySelectorAll('.row')[3].querySelector(selector);
				return Math.abs(cell.getBoundingClientRect().left - heads[i + 1]) > 1 || cell.getBoundingClientRect().width === 0 ? selector : '';
			}).join('');
		})()`), "each cell must be below its head")
		b.keys("jj")
		require.Equal(t, "13", eval[string](b, `document.activeElement.dataset.id`))
		require.Empty(t, eval[string](b, `location.hash`), "moving in a table must not open a delivery")
		b.keys(kb.Enter)
		b.until(showsDelivery("13") + ` && getComputedStyle(document.querySelector('.columns')).display === 'none'`)
		b.shoot("inbox-split-" + name)
		b.keys(kb.Escape)
		b.until(`getComputedStyle(document.querySelector('.columns')).display !== 'none' && document.activeElement.dataset.id === '13'`)
	}
	b := openInbox(t, phone, operatorBox(), "alice", "")
	b.until(rows(14) + ` && getComputedStyle(document.querySelector('.columns')).display === 'none'`)
	b.shoot("inbox-phone")
	require.Empty(t, eval[string](b, fmt.Sprintf(tooWide, 390)))
	require.Empty(t, eval[string](b, tooFaint))
}

func TestPage_LinksToEveryView(t *testing.T) {
	b := openInbox(t, desktop, operatorBox(), "alice", "")
	b.until(rows(14))
	b.click(`.count[data-verdict="dead_lettered"]`)
	b.until(rows(12))
	b.click(`.row[data-id="3"]`)
	b.until(showsDelivery("3"))
	b.keys("t")
	b.until(rows(7) + ` && document.querySelector('.only').textContent === 'Type: user.message'`)
	b.keys("e")
	b.until(`document.querySelectorAll('.only').length === 2 && document.getElementById('vendor').value === 'workflux'`)
	b.keys("g")
	b.until(`!document.getElementById('chart').hidden`)
	b.keys("p")
	b.until(`document.getElementById('pauses').open && document.getElementById('pause-type').value === 'user.message'`)
	whole := "#id=3&verdict=dead_lettered&type=user.message&vendor=workflux&endpoint=eu&chart=on&dialog=pauses"
	sorted := func(fragment string) url.Values {
		values, err := url.ParseQuery(fragment[1:])
		require.NoError(t, err)
		return values
	}
	require.Equal(t, sorted(whole), sorted(eval[string](b, "location.hash")))
	const everything = `document.getElementById('pauses').open && !document.getElementById('chart').hidden && document.querySelectorAll('.only').length === 2 && `
	require.NoError(t, reload(b))
	b.until(everything + rows(7) + " && " + showsDelivery("3"))

	for _, view := range []string{
		`!document.getElementById('pauses').open && !document.getElementById('chart').hidden`,
		`document.getElementById('chart').hidden && document.querySelectorAll('.only').length === 2`,
		`document.querySelectorAll('.only').length === 1 && document.getElementById('vendor').value === ''`,
		`document.querySelectorAll('.only').length === 0 && ` + rows(12),
		`!document.querySelector('#detail h2') && ` + rows(12),
		rows(14),
	} {
		eval[bool](b, `(history.back(), true)`)
		b.until(view)
	}
	b.open(eval[string](b, `location.href.split('#')[0]`) + whole)
	b.until(everything + rows(7) + " && " + showsDelivery("3"))
	b.keys(kb.Escape)
	b.click(`.only[data-field="type"]`)
	b.until(rows(12))
}

func TestPage_HasKeyForEveryControl(t *testing.T) {
	box := operatorBox()
	for i := range 150 {
		box.Add(inbox.Done, webhook.Delivery{Vendor: "emberqa", Type: "bulk", ID: fmt.Sprint("more_", i), Body: []byte("{}")})
	}
	b := openInbox(t, desktop, box, "alice", "")
	b.until(rows(100))
	b.keys("o")
	b.until(rows(164))
	b.keys("n")
	b.until(`document.activeElement === document.querySelector('.row')`)
	b.keys("1")
	b.until(rows(12) + ` && location.hash === '#verdict=dead_lettered'`)
	b.keys("0")
	b.until(rows(100))
	b.keys("v")
	b.until(`document.activeElement.id === 'vendor'`)
	b.keys(kb.Escape + "5")
	b.until(`location.hash === '#verdict=done' && ` + rows(100))
	b.keys("j" + kb.Enter)
	b.until(`document.querySelector('[data-action=rerun]')`)
	b.keys("x")
	b.until(`document.getElementById('confirm').open`)
	b.keys(kb.Escape)
	b.until(`!document.getElementById('confirm').open`)
	b.keys("?")
	b.until(`document.getElementById('help').open && location.hash.includes('dialog=help')`)
	b.shoot("inbox-help")
	// The help lists every key of the page.
	listed := eval[string](b, `[...document.querySelectorAll('#help kbd')].filter((e) => e.checkVisibility()).map((e) => e.textContent).join(' ')`)
	require.Equal(t, "j k ↓ ↑ Enter Esc r d x c t e 0 9 v n o a p g / ?", listed)
}
