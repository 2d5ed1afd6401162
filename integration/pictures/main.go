// Pictures makes the pictures of the README from real runs: aihooks in a terminal, and its pages in Chromium. It is run by
// `make pictures`, from the root of a checkout, and needs ports 8787 to 8789 and Debian's chromium.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

const folder = "docs/pictures"

const listener = "http://127.0.0.1:8787"

func main() {
	if err := take(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func take(ctx context.Context) (err error) {
	work, err := os.MkdirTemp("", "pictures")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(work, "bin", "aihooks"), "./cmd/aihooks") //nolint:gosec // a folder of its own
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	b, err := openBrowser(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := listening(ctx, b, work); err != nil {
		return err
	}
	return keeping(ctx, b, work)
}

// listening has deliveries of every kind arrive at a listener, and takes pictures of both terminals and of the page.
func listening(ctx context.Context, b *browser, work string) error {
	greenflash, convosphere, workflux := newSecret("GREENFLASH"), newSecret("CONVOSPHERE"), newSecret("WORKFLUX")
	here := newTerminal(work)
	end, err := here.begin(ctx, []string{greenflash, convosphere, workflux}, "aihooks listen --web --no-body")
	if err != nil {
		return err
	}
	defer end()
	if err := here.until("Ctrl-C ends"); err != nil {
		return err
	}
	site, err := here.page()
	if err != nil {
		return err
	}
	there := newTerminal(work)
	for _, step := range []struct{ secret, line, verdict string }{
		{"", "aihooks send emberqa red_flag --forge --url " + listener + "/emberqa", "unverified"},
		{greenflash, "aihooks send greenflash conversation.rating --same --times 2 --url " + listener + "/greenflash", "duplicate"},
		{convosphere, "aihooks send convosphere message.created --stale --url " + listener + "/convosphere", "stale"},
		{workflux + "\n", "aihooks send workflux user.message --url " + listener + "/workflux", "forged"}, // with a line break too many
		{greenflash, "aihooks send greenflash conversation.frustration --url " + listener + "/greenflash", "frustration"},
	} {
		if err := there.run(ctx, []string{step.secret}, step.line); err != nil {
			return err
		}
		if err := here.until("\x1b[", step.verdict); err != nil {
			return err
		}
	}
	if err := b.shoot(desktop, site+"#id=5", "listen.png"); err != nil {
		return err
	}
	if err := b.shoot(phone, site+"#id=4", "listen-phone.png"); err != nil {
		return err
	}
	return b.shootTerminals("terminal.png", []string{"here: what arrives", "there: what is sent"}, here, there)
}

// keeping takes a picture of the page over an inbox with dead letters.
func keeping(ctx context.Context, b *browser, work string) error {
	if err := fillInbox(ctx, work); err != nil {
		return err
	}
	t := newTerminal(work)
	end, err := t.begin(ctx, nil, "aihooks inbox --web inbox.db")
	if err != nil {
		return err
	}
	defer end()
	if err := t.until("Ctrl-C ends"); err != nil {
		return err
	}
	site, err := t.page()
	if err != nil {
		return err
	}
	return b.shoot(desktop, site+"#verdict=dead&id=2", "inbox.png")
}
