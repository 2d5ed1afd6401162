// Pictures takes the pictures of the README from real runs of aihooks: its output in terminals, and its pages in Chromium. Run
// `make pictures` in the root of a checkout. It needs ports 8787 to 8789 and Debian's chromium-headless-shell.
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
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(work, "bin", "aihooks"), "./cmd/aihooks") //nolint:gosec // a temporary folder
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

// listening sends deliveries of every kind to a listener, and takes pictures of both terminals and of the page.
func listening(ctx context.Context, b *browser, work string) error {
	greenflash, convosphere, workflux := newSecret("GREENFLASH"), newSecret("CONVOSPHERE"), newSecret("WORKFLUX")
	here := newTerminal(work)
	end, err := here.begin(ctx, []string{greenflash, convosphere, workflux}, "aihooks listen --web --no-body")
	if err != nil {
		return err
	}
	defer end()
	if err := here.until("press Ctrl-C to stop"); err != nil {
		return err
	}
	address, err := here.page()
	if err != nil {
		return err
	}
	there := newTerminal(work)
	for _, step := range []struct{ secret, line, shown string }{
		{"", "aihooks send emberqa red_flag --forge --url " + listener + "/emberqa", "unverified"},
		{greenflash, "aihooks send greenflash conversation.rating --same --times 2 --url " + listener + "/greenflash", "duplicate"},
		{convosphere, "aihooks send convosphere message.created --stale --url " + listener + "/convosphere", "rejected"},
		{workflux + "\n", "aihooks send workflux user.message --url " + listener + "/workflux", "unauthenticated"}, // the secret has a line break
		{greenflash, "aihooks send greenflash conversation.frustration --url " + listener + "/greenflash", "frustration"},
	} {
		if err := there.run(ctx, []string{step.secret}, step.line); err != nil {
			return err
		}
		if err := here.until("\x1b[", step.shown); err != nil {
			return err
		}
	}
	if err := b.shoot(desktop, address+"#id=5", "listen.png"); err != nil {
		return err
	}
	if err := b.shoot(phone, address+"#id=4", "listen-phone.png"); err != nil {
		return err
	}
	return b.shootTerminals("terminal.png", []string{"aihooks listen", "aihooks send"}, here, there)
}

// keeping takes a picture of the page of an inbox with dead letters.
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
	if err := t.until("press Ctrl-C to stop"); err != nil {
		return err
	}
	address, err := t.page()
	if err != nil {
		return err
	}
	return b.shoot(desktop, address+"#verdict=dead_lettered&id=2", "inbox.png")
}
