package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A screen describes the emulated screen.
type screen struct {
	width, height int64
	phone, dark   bool
}

var (
	desktop = screen{width: 1280, height: 800}
	phone   = screen{width: 390, height: 844, phone: true, dark: true}
)

type browser struct {
	ctx   context.Context
	close func()
}

func openBrowser(ctx context.Context) (*browser, error) {
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		return nil, fmt.Errorf("%w; .ci/services installs it", err)
	}
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	allocator, end := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))...)
	tab, cancel := chromedp.NewContext(allocator)
	return &browser{tab, func() { _ = chromedp.Cancel(tab); cancel(); end(); stop() }}, chromedp.Do(tab)
}

// look emulates another screen.
func (b *browser) look(s screen) error {
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	var options []chromedp.EmulateViewportOption
	if s.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(s.width, s.height, options...)); err != nil {
		return err
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
	}})
	return err
}

// until waits until a JavaScript expression is true.
func (b *browser) until(expression string) error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var is bool
		if is, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && is {
			return nil
		}
	}
	return fmt.Errorf("the condition did not become true: %s: %w", expression, err)
}

// shoot takes a screenshot of an aihooks page with an open delivery.
func (b *browser) shoot(s screen, address, name string) error {
	if err := b.look(s); err != nil {
		return err
	}
	if err := chromedp.Do(b.ctx, chromedp.Navigate("about:blank")); err != nil { // a new fragment would not reload the page
		return err
	}
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		return err
	}
	for _, ready := range []string{`document.querySelector('.row')`, `document.querySelector('#detail .code')`, `document.getElementById('connection').dataset.state === 'live'`} {
		if err := b.until(ready); err != nil {
			return err
		}
	}
	return b.save(name)
}

// shootTerminals takes a screenshot of terminals.
func (b *browser) shootTerminals(name string, titles []string, terminals ...*terminal) error {
	for _, t := range terminals {
		if err := t.check(); err != nil {
			return err
		}
	}
	if err := b.look(screen{width: 1400, height: 600}); err != nil {
		return err
	}
	address := "data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(page(titles, terminals)))
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		return err
	}
	size, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]int64]("(r => [Math.ceil(r.width), Math.ceil(r.height)])(document.body.getBoundingClientRect())"))
	if err != nil {
		return err
	}
	if err := b.look(screen{width: size[0], height: size[1]}); err != nil {
		return err
	}
	return b.save(name)
}

// save writes a screenshot as a PNG with few colours. It returns an error if the file is too large.
func (b *browser) save(name string) error {
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewer(decoded)); err != nil {
		return err
	}
	if out.Len() > largest {
		return fmt.Errorf("%s (%d bytes) must have at most %d bytes", name, out.Len(), largest)
	}
	return os.WriteFile(filepath.Join(folder, name), out.Bytes(), 0o644) //nolint:gosec // the picture is public
}

const largest = 200 << 10
