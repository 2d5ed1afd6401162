package pagetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

func reload(b *tab) error { return chromedp.Do(b.ctx, chromedp.Reload()) }

// Each of these attacks would run a script if the page did not insert it as text.
var attacks = []string{
	`<script>window.hacked = 1</script>`, `<img src=x onerror="window.hacked = 1">`, `"><svg onload=window.hacked=1>`,
	`javascript:window.hacked=1`, `</pre></textarea></title><script>window.hacked=1</script>`, `${window.hacked=1}`, `' onmouseover='window.hacked=1`,
}

func TestPage_ShowsPayloadAsText(t *testing.T) {
	ring := live.New(live.Options{Title: attacks[0], Hint: attacks[1] + "\n$ " + attacks[2]})
	address := pagekit.Serve(t, ring, page.Options{})
	b := newTab(t, desktop)
	b.open(address)
	b.until(`document.querySelector('#empty .command')`)
	for i, attack := range attacks {
		body := attack
		if i%2 == 0 {
			body = fmt.Sprintf("{%q: [%q, {}]}", attack, attack)
		}
		ring.Add(page.Detail{
			Item: page.Item{
				ID: "../" + attack, Vendor: attack, Endpoint: attack, Type: attack, Delivery: attack, Verdict: attack, Tone: page.Bad, Reason: attack,
				Explanation: attack, Error: attack, Actions: []page.Action{{Name: attack, Label: attack, Confirm: attack}},
			},
			Method: attack, URL: attack, Header: http.Header{attack: {attack}}, Body: []byte(body), Facts: []page.Fact{{Name: attack, Value: attack}},
		})
	}
	b.until(rows(len(attacks)))
	for i, attack := range attacks {
		b.click(fmt.Sprintf(".row:nth-child(%d)", len(attacks)-i))
		b.until(shows(attack))
		b.click("#tab-raw")
		b.click("#tab-headers")
		b.until(`document.querySelector('.headers th')`)
		b.click("#tab-event")
	}
	b.click("#detail .actions button")
	b.until(`document.getElementById('confirm').open`)
	require.False(t, eval[bool](b, `'hacked' in window || document.querySelector('main img, main script, main svg[onload], main iframe') !== null`))
}

func TestPage_MarksInvisibleCharacters(t *testing.T) {
	ring := live.New(live.Options{})
	text := "a\u202eb\u2066c\u200bd\u00ade\ufefff\U000e0041g\u200dh \U0001f468\u200d\U0001f469\u200d\U0001f467 é עברית\x00\x1b[31m\u2028z"
	ring.Add(page.Detail{Item: page.Item{Type: "x\u202egpj.exe", Verdict: "unauthenticated"}, Body: []byte(text)})
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, ring, page.Options{}) + "#id=1")
	b.until(`document.querySelector('#detail .code') && ` + rows(1))
	marks := eval[[]string](b, `[...document.querySelectorAll('#detail .code .mark-char')].map((e) => e.textContent)`)
	require.Equal(t, strings.Fields("U+202E U+2066 U+200B U+00AD U+FEFF U+E0041 U+200D U+0000 U+001B U+2028"), marks)
	require.True(t, eval[bool](b, shows("\U0001f468\u200d\U0001f469\u200d\U0001f467 é עברית")), "visible characters must not be marked")
	require.Equal(t, "xU+202Egpj.exe", eval[string](b, `document.querySelector('.row .type').textContent`))
	require.Equal(t, "isolate ltr", eval[string](b, `(() => { const s = getComputedStyle(document.querySelector('#detail .code')); return s.unicodeBidi + ' ' + s.direction; })()`))
}

func TestPage_MarksInvalidUTF8(t *testing.T) {
	ring := live.New(live.Options{})
	ring.Add(page.Detail{Body: []byte("ok \xff\xc3( é \xe2\x82 \xed\xa0\x80 \xf0\x9f\x98\x80 end")})
	ring.Add(page.Detail{Body: []byte(strings.Repeat("\xfe", 100_000))})
	ring.Add(page.Detail{Body: []byte{}})
	b := newTab(t, desktop)
	address := pagekit.Serve(t, ring, page.Options{})
	b.open(address + "#id=1")
	b.until(shows("ok 0xFF0xC3( é 0xE20x82 0xED0xA00x80 😀 end"))
	b.open(address + "#id=2")
	b.until(shows("98000 more bytes."))
	b.open(address + "#id=3")
	b.until(shows("0 bytes"))
}

func TestPage_RendersMegabyteBodies(t *testing.T) {
	ring := live.New(live.Options{})
	megabyte := strings.Repeat("0123456789abcdef", 1<<16)
	for _, body := range []string{
		`{"long": "` + megabyte + `"}`,
		"[" + strings.Repeat("1,", 1<<19) + "1]",
		strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000),
		megabyte,
	} {
		ring.Add(page.Detail{Body: []byte(body)})
	}
	ring.Add(page.Detail{Item: page.Item{Type: megabyte, Vendor: megabyte, Error: megabyte, Verdict: "failed"}, Header: http.Header{"X": {megabyte}}})
	b := newTab(t, desktop)
	address := pagekit.Serve(t, ring, page.Options{})
	for id := 1; id <= 6; id++ {
		began := time.Now()
		b.open(fmt.Sprintf("%s/#id=%d", address, id))
		b.until(showsDelivery(strconv.Itoa(id)) + ` && document.querySelector('#detail .code') && ` + rows(6))
		t.Logf("delivery %d: %v", id, time.Since(began))
		require.True(t, eval[bool](b, `document.getElementById('detail').scrollWidth <= document.getElementById('detail').clientWidth`))
	}
	b.open(address + "/#id=1")
	b.until(showsDelivery("1") + " && " + shows("This is the first 200.0 KB"))
	b.click("#detail .more")
	b.until(`document.querySelector('#detail .code').textContent.length > 1048576`)
}

func TestPage_FormatsJSONWithoutLoss(t *testing.T) {
	ring := live.New(live.Options{})
	ring.Add(page.Detail{Body: []byte(`{"n":12345678901234567890.10,"n":-1e400,"s":"\u202e\"\\","e":{},"a":[],"l":[true,null]}`)})
	b := newTab(t, desktop)
	b.open(pagekit.Serve(t, ring, page.Options{}) + "#id=1")
	b.until(`document.querySelector('#detail .code')`)
	require.Equal(t, strings.Split(`{
  "n": 12345678901234567890.10,
  "n": -1e400,
  "s": "\u202e\"\\",
  "e": {},
  "a": [],
  "l": [
    true,
    null
  ]
}`, "\n"), strings.Split(eval[string](b, `document.querySelector('#detail .code').textContent`), "\n"))
}
