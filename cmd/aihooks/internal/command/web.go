package command

import (
	"context"
	"crypto/rand"
	"log"
	"log/slog"
	"net"
	"net/http"

	"github.com/spf13/pflag"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

func addWebFlags(f *pflag.FlagSet, web *bool, address *string, standard string, hosts *[]string) {
	f.BoolVar(web, "web", false, "serve a page for the browser, at the URL that is shown: with its token, which other users of this machine do not have")
	f.StringVar(address, "web-addr", standard, "`address` of the page, or a port")
	f.StringSliceVar(hosts, "web-host", nil, "`name` by which the page may be opened, in addition to localhost and IP addresses")
}

// A site is the page's server. The nil one has nothing to serve.
type site struct {
	app      *app
	ctx      context.Context
	server   *http.Server
	listener net.Listener
	urls     []string
}

// openSite makes the page ready to be served.
func (a *app) openSite(ctx context.Context, source page.Source, address string, hosts []string) (*site, error) {
	listener, err := listenOn(ctx, "--web-addr", address)
	if err != nil {
		return nil, err
	}
	return a.newSite(ctx, source, listener, hosts)
}

func (a *app) newSite(ctx context.Context, source page.Source, listener net.Listener, hosts []string) (*site, error) {
	o := page.Options{Token: rand.Text(), Hosts: hosts, Logger: slog.New(slog.NewTextHandler(a.Err, nil))}
	urls := origins(listener.Addr())
	for i := range urls {
		urls[i] += "/?token=" + o.Token
	}
	handler, err := page.New(source, o)
	if err != nil {
		_ = listener.Close()
		return nil, usage("%w", err)
	}
	server := webhook.NewServer("", handler)
	server.ErrorLog = log.New(a.Err, "", 0)
	server.BaseContext = func(net.Listener) context.Context { return ctx } // ends the streams of open pages, too
	return &site{a, ctx, server, listener, urls}, nil
}

// show prints the addresses at which the page opens.
func (s *site) show() {
	for _, url := range s.urls {
		s.app.notef("page: %s", url)
	}
}

func (s *site) serve() error {
	if s == nil {
		return nil
	}
	return serve(s.ctx, s.server, s.listener)
}
