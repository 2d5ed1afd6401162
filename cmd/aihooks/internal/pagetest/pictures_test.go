package pagetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

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

// TestPage_FitsEveryScreen also takes screenshots.
func TestPage_FitsEveryScreen(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{})
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
