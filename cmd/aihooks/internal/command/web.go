package command

import (
	"context"
	"crypto/rand"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

func addWebFlags(f *pflag.FlagSet, web *bool, address *string, standard string, hosts *[]string) {
	f.BoolVar(web, "web", false, "serve a page for the browser")
	f.StringVar(address, "web-addr", standard, "`address` of the page, or a port; one that others can reach needs the token in the URL that is shown")
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
	o := page.Options{Hosts: hosts, Logger: slog.New(slog.NewTextHandler(a.Err, nil))}
	query := ""
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		o.Token = rand.Text()
		query = "?token=" + o.Token
	}
	urls := origins(listener.Addr())
	for i := range urls {
		urls[i] += "/" + query
	}
	handler, err := page.New(source, o)
	if err != nil {
		_ = listener.Close()
		return nil, usage("%w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(a.Err, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends the streams of open pages, too
	}
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
