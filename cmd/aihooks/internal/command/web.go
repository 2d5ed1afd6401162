package command

import (
	"context"
	"crypto/rand"
	"log"
	"log/slog"
	"net"
	"net/http"

	"github.com/spf13/pflag"

	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/webhook"
)

func addWebFlags(f *pflag.FlagSet, web *bool, address *string, standard string, hosts *[]string) {
	f.BoolVar(web, "web", false, "serve a web page; its URL contains a token that keeps out other users of this machine")
	f.StringVar(address, "web-addr", standard, "`address` or port of the page")
	f.StringSliceVar(hosts, "web-host", nil, "`name` under which the page may be opened, in addition to localhost and IP addresses")
}

// A webServer serves the page. A nil webServer serves nothing.
type webServer struct {
	app      *app
	ctx      context.Context
	server   *http.Server
	listener net.Listener
	urls     []string
}

// openWebServer listens for the page. If may is nil, visitors may perform every action. The caller then calls serve.
func (a *app) openWebServer(ctx context.Context, source page.Source, may func(string) bool, address string, hosts []string) (*webServer, error) {
	listener, err := listenOn(ctx, "--web-addr", address)
	if err != nil {
		return nil, err
	}
	return a.newWebServer(ctx, source, may, listener, hosts)
}

func (a *app) newWebServer(ctx context.Context, source page.Source, may func(string) bool, listener net.Listener, hosts []string) (*webServer, error) {
	o := page.Options{Token: rand.Text(), Hosts: hosts, May: may, Logger: slog.New(slog.NewTextHandler(a.Err, nil))}
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
	server.BaseContext = func(net.Listener) context.Context { return ctx } // also ends the event streams of open pages
	return &webServer{a, ctx, server, listener, urls}, nil
}

// show prints the URLs of the page.
func (s *webServer) show() {
	for _, url := range s.urls {
		s.app.notef("page: %s", url)
	}
}

func (s *webServer) serve() error {
	if s == nil {
		return nil
	}
	return serve(s.ctx, s.server, s.listener)
}
