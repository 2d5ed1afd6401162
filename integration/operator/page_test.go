//go:build unix

package operator_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
)

// servePage starts the page of an inbox with the tool, and returns its URL.
func (s *site) servePage(flags ...string) string {
	s.t.Helper()
	c := exec.Command(tool, append([]string{"inbox", "--web", "--web-addr", "127.0.0.1:0", "--from", s.from}, flags...)...)
	text, err := c.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, c.Start())
	s.t.Cleanup(func() {
		require.NoError(s.t, c.Process.Signal(os.Interrupt))
		require.NoError(s.t, c.Wait(), "Ctrl-C must end the page without an error")
	})
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if url, found := strings.CutPrefix(lines.Text(), "page: "); found {
			return url
		}
	}
	require.Fail(s.t, "the tool printed no URL")
	return ""
}

// A tab is a tab of Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T, url string) *tab {
	t.Helper()
	path, err := pagekit.Chromium()
	require.NoError(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(kit.Patience))
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel(); end() }) // a browser that is only killed leaves a folder
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)))
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url)))
	return &tab{t, ctx}
}

// until waits until a JavaScript expression is true.
func (b *tab) until(expression string, args ...any) {
	b.t.Helper()
	expression = fmt.Sprintf(expression, args...)
	for deadline := time.Now().Add(kit.Patience); ; time.Sleep(20 * time.Millisecond) { // a condition is polled
		value, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && value {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText.slice(0, 3000)"))
			require.FailNow(b.t, "the condition did not become true: "+expression, "%v\n%s", err, text)
		}
	}
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.until("document.querySelector(%q)", selector)
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)))
}

func TestPage_DoesTheSameOnEveryEngine(t *testing.T) {
	const rows = `document.querySelectorAll('.row').length === %d`
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := newSite(t, e)
			b := openTab(t, s.servePage("--write"))
			b.until(`document.querySelector('.count[data-verdict="dead_lettered"] .n')?.textContent === '10'`)
			b.click(`.count[data-verdict="deferred"]`)
			b.until(rows, 10)
			b.click(`.count[data-verdict="dead_lettered"]`)
			b.until(rows, 10)

			b.click(".row") // discard the newest dead letter
			b.until(`document.getElementById('detail').textContent.includes(%q)`, errCRM.Error())
			b.click(`#detail [data-action="discard"]`)
			b.click("#confirm-yes")
			s.await(func(c inbox.Counts) bool { return c.DeadLettered == 9 })
			b.until(rows, 9)

			s.hook.fixed.Store(true) // and retry the others
			b.click("#all-button")
			b.until(`document.getElementById('all-count').textContent.startsWith('9 dead letters')`)
			b.click(`[data-all="retry"]`)
			b.click("#confirm-yes")
			s.await(func(c inbox.Counts) bool { return c.DeadLettered == 0 && c.Pending == 10 && c.Running == 0 })
			b.until(rows, 0)

			var audit []inbox.Change
			kit.Eventually(t, func() bool { // the number of entries is recorded after the last of them has changed
				var err error
				audit, err = s.box.Audit(t.Context())
				require.NoError(t, err)
				return len(audit) > 0 && audit[0].Entries > 0
			})
			require.Len(t, audit, 2)
			require.Equal(t, []int{9, 1}, []int{audit[0].Entries, audit[1].Entries})
			require.NotEmpty(t, audit[0].By)
		})
	}
}

func TestPage_IsReadOnlyWithoutWrite(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := newSite(t, e)
			b := openTab(t, s.servePage())
			b.click(`.count[data-verdict="dead_lettered"]`)
			b.click(".row")
			b.until(`document.getElementById('detail').textContent.includes(%q)`, errCRM.Error())
			b.until(`!document.querySelector('#detail [data-action]') && (document.getElementById('all-button')?.hidden ?? true)`)
		})
	}
}
