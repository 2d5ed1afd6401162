package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/live"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/webhook"
)

// listening are the options of listen.
type listening struct {
	address  string
	folder   string
	noSave   bool
	noBody   bool
	web      bool
	webAt    string
	webHosts []string
	replayTo string
}

const (
	defaultListen   = "127.0.0.1:8787"
	defaultWeb      = "127.0.0.1:8788"
	defaultInboxWeb = "127.0.0.1:8789"
	defaultFolder   = "aihooks-deliveries"
)

// maxShown is how many bytes of bodies the page keeps.
const maxShown = 16 << 20

func (a *app) listenCommand() *cobra.Command {
	var o listening
	c := &cobra.Command{
		Use:   "listen",
		Short: "Receive deliveries here, show each as it arrives, and save it",
		Long: `Listen receives the deliveries of all vendors at /webhooks/VENDOR, or /VENDOR, and shows each as it arrives: the verdict, why
it was refused if it was, the event, and the body. It answers as a service would whose callbacks all succeed, and runs until
Ctrl-C. Deliveries of a vendor whose secret it was not given are shown unverified.

A vendor reaches it through a tunnel, such as "cloudflared tunnel --url http://127.0.0.1:8787" or "ngrok http 8787": give the
vendor the URL that the tunnel prints, with /webhooks/VENDOR after it. The path of EmberQA ends in the token. Listen
refuses requests of browsers, which have Origin or Sec-Fetch-Site. It accepts any Host, because tunnels pass on public names.

A body may have 1 MiB, as with a service that leaves Options.MaxBody alone. Each delivery is saved in a file of its own, for
replay and explain: per run 1 GiB of those that were accepted, and 64 MiB of the others. The files are readable for their
owner alone, on Windows for those who can read the folder. They have no credentials, but whatever the vendor sent. A response
never waits for the terminal or the disk. Deliveries that arrive faster than they can be shown are left out, and counted.`,
		Example: `  GREENFLASH_WEBHOOK_SECRET=... aihooks listen
  aihooks listen --web --replay-to http://127.0.0.1:8080/webhooks/greenflash
  aihooks listen --json | jq .explanation`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkSecretFiles(); err != nil {
				return err
			}
			if o.replayTo != "" {
				if err := checkURL(o.replayTo); err != nil {
					return usage("--replay-to must be an http or https URL")
				}
			}
			return a.listen(c.Context(), &o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.address, "addr", defaultListen, "`address` to listen on, or a port of this machine alone; port 0 takes a free one")
	f.StringVar(&o.folder, "dir", defaultFolder, "`folder` to save deliveries in")
	f.BoolVar(&o.noSave, "no-save", false, "save nothing")
	f.BoolVar(&o.noBody, "no-body", false, "show no bodies")
	f.StringVar(&o.replayTo, "replay-to", "", "`URL` that the page replays to (default: this listener)")
	addWebFlags(f, &o.web, &o.webAt, defaultWeb, &o.webHosts)
	return c
}

func (a *app) listen(ctx context.Context, o *listening) error {
	a.queueOutput()
	if !o.noSave {
		if err := os.MkdirAll(o.folder, 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err) // now, rather than with each delivery
		}
	}
	listener, err := listenOn(ctx, "--addr", o.address)
	if err != nil {
		return err
	}
	reachable := origins(listener.Addr())
	base := reachable[0]
	d := a.newDesk(o, base)
	var rows [][]string
	for _, v := range vendors.All() {
		from, err := d.mount(&v)
		if err != nil {
			_ = listener.Close()
			return err
		}
		rows = append(rows, []string{v.Name(), base + "/webhooks/" + v.Name(), from})
	}
	var site *site
	if o.web {
		d.ring = live.New(live.Options{
			Title:  base,
			Hint:   "Nothing has arrived yet. Point a vendor here, or send a sample:\n$ aihooks send greenflash conversation.rating --url " + base + "/webhooks/greenflash",
			Bytes:  maxShown,
			Replay: d.replay,
		})
		if site, err = a.openSite(ctx, d.ring, o.webAt, o.webHosts); err != nil {
			_ = listener.Close()
			return err
		}
	}
	if a.json {
		a.notef("listening on %s", base)
	} else {
		a.table([]string{"VENDOR", "URL", "VERIFIED"}, rows)
	}
	if len(reachable) > 1 {
		a.notef("other machines reach it at %s", strings.Join(reachable[1:], ", "))
	}
	if site != nil {
		site.show()
	}
	if !o.noSave {
		a.notef("saving to %s; Ctrl-C ends", filepath.Clean(o.folder))
	}
	server := webhook.NewServer("", d)
	server.ErrorLog = log.New(a.Err, "", 0)
	go d.record()
	defer d.finish()
	return errorsOf(func() error { return serve(ctx, server, listener) }, site.serve)
}

// errorsOf runs functions at once and returns the first error, once all have returned.
func errorsOf(fs ...func() error) error {
	var wg sync.WaitGroup
	results := make([]error, len(fs))
	for i, f := range fs {
		wg.Go(func() { results[i] = f() })
	}
	wg.Wait()
	for _, err := range results {
		if err != nil {
			return err
		}
	}
	return nil
}

// ending is how long requests under way may take once a server is to end.
const ending = 3 * time.Second

// serve serves until ctx ends. That is how one ends it, so it is no error.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.Background(), ending)
		defer cancel()
		err := server.Shutdown(limit)
		if err != nil {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(listener)
	if stop() {
		return err // it was not told to end
	}
	return <-stopped
}

// replay is what the page's button does: the delivery is signed anew and sent.
func (d *desk) replay(ctx context.Context, item page.Detail) (string, error) {
	v, err := vendors.Find(item.Vendor)
	if err != nil {
		return "", errors.New("it is not known whose delivery this is, so it cannot be signed")
	}
	secret, err := d.app.mustSecret(v)
	if err != nil {
		return "", err
	}
	address := cmp.Or(d.options.replayTo, d.base+"/webhooks/"+v.Name())
	c := captureOf(&item)
	p := d.app.poster(v.Profile.RespondWithin, 1)
	defer p.client.CloseIdleConnections()
	l := again(v, c, secret, address, "", "", false)
	r := p.post(ctx, &l)
	if r.Status == 0 {
		return "", fmt.Errorf("%s did not answer: %s", withoutPassword(address), r.Error)
	}
	return fmt.Sprintf("Replayed to %s: answered %s in %s.", withoutPassword(address), statusText(r.Status), took(r.took)), nil
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	return u.Redacted()
}
