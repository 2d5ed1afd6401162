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

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

// listenOptions are the options of listen.
type listenOptions struct {
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

// maxShown is how many bytes of bodies the page keeps in memory.
const maxShown = 16 << 20

func (a *app) listenCommand() *cobra.Command {
	var o listenOptions
	c := &cobra.Command{
		Use:   "listen",
		Short: "Receive deliveries, show each as it arrives, and save it",
		Long: `Listen receives the deliveries of all vendors at /webhooks/VENDOR and /VENDOR until you press Ctrl-C. It shows each delivery as
it arrives: the outcome, the type, the body and, if it was refused, the reason. It responds like a service whose callbacks all
succeed. If it has no secret for a vendor, it shows the vendor's deliveries as unverified.

A vendor needs a tunnel to reach your machine, such as "cloudflared tunnel --url http://127.0.0.1:8787" or "ngrok http 8787".
Give the vendor the URL that the tunnel prints, followed by /webhooks/VENDOR. For EmberQA, add / and the token. Listen accepts
any Host, because tunnels forward public names. It refuses requests from browsers, which have Origin or Sec-Fetch-Site.

A body may have up to 1 MiB, the default of Options.MaxBody. Listen saves each delivery in a file, for replay and explain. It
saves up to 1 GiB of accepted deliveries and 64 MiB of others per run. Only you can read the files; on Windows, everyone who can
read the folder can. The files contain no credentials, but everything else that the vendor sent.

The response never waits for the terminal or the disk. Deliveries that arrive too fast to be shown are counted and dropped.`,
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
	f.StringVar(&o.address, "addr", defaultListen, "`address` to listen on, or a port of 127.0.0.1; port 0 chooses a free port")
	f.StringVar(&o.folder, "dir", defaultFolder, "`folder` to save deliveries in")
	f.BoolVar(&o.noSave, "no-save", false, "do not save deliveries")
	f.BoolVar(&o.noBody, "no-body", false, "do not show bodies")
	f.StringVar(&o.replayTo, "replay-to", "", "`URL` to which the page replays (default: this listener)")
	addWebFlags(f, &o.web, &o.webAt, defaultWeb, &o.webHosts)
	return c
}

func (a *app) listen(ctx context.Context, o *listenOptions) error {
	a.queueOutput()
	if !o.noSave {
		if err := os.MkdirAll(o.folder, 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err) // fail now instead of for each delivery
		}
	}
	listener, err := listenOn(ctx, "--addr", o.address)
	if err != nil {
		return err
	}
	reachable := origins(listener.Addr())
	base := reachable[0]
	s := a.newListenServer(o, base)
	var rows [][]string
	for _, v := range allvendors.All() {
		from, err := s.mount(&v)
		if err != nil {
			_ = listener.Close()
			return err
		}
		rows = append(rows, []string{v.Name(), base + "/webhooks/" + v.Name(), from})
	}
	var web *webServer
	if o.web {
		s.ring = live.New(live.Options{
			Title:  base,
			Hint:   "Nothing has arrived yet. Send deliveries of a vendor here, or send a sample:\n$ aihooks send greenflash conversation.rating --url " + base + "/webhooks/greenflash",
			Bytes:  maxShown,
			Replay: s.replay,
		})
		if web, err = a.openWebServer(ctx, s.ring, nil, o.webAt, o.webHosts); err != nil {
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
		a.notef("from other machines: %s", strings.Join(reachable[1:], ", "))
	}
	if web != nil {
		web.show()
	}
	if !o.noSave {
		a.notef("saving to %s; press Ctrl-C to stop", filepath.Clean(o.folder))
	}
	server := webhook.NewServer("", s)
	server.ErrorLog = log.New(a.Err, "", 0)
	go s.record()
	defer s.finish()
	return errorsOf(func() error { return serve(ctx, server, listener) }, web.serve)
}

// errorsOf runs functions concurrently, waits for all, and returns the first error in their order.
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

// ending is how long running requests may take when a server shuts down.
const ending = 3 * time.Second

// serve serves until ctx ends, which is not an error.
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
		return err // the server failed before ctx ended
	}
	return <-stopped
}

// replay signs a delivery of the page again and sends it.
func (s *listenServer) replay(ctx context.Context, item page.Detail) (string, error) {
	v, err := allvendors.Find(item.Vendor)
	if err != nil {
		return "", errors.New("the vendor of this delivery is unknown, so it cannot be signed")
	}
	secret, err := s.app.mustSecret(v)
	if err != nil {
		return "", err
	}
	address := cmp.Or(s.options.replayTo, s.base+"/webhooks/"+v.Name())
	c := captureOf(&item)
	p := s.app.newSendPool(v.Profile.RespondWithin, 1)
	defer p.client.CloseIdleConnections()
	l := replayOf(v, c, secret, address, "", "", false)
	r := p.post(ctx, &l)
	if r.Status == 0 {
		return "", fmt.Errorf("no response from %s: %s", withoutPassword(address), r.Error)
	}
	return fmt.Sprintf("Replayed to %s. The response was %s after %s.", withoutPassword(address), statusText(r.Status), took(r.took)), nil
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	return u.Redacted()
}
