package command

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/page"
)

func addWebFlags(f *pflag.FlagSet, web *bool, address *string, hosts *[]string) {
	f.BoolVar(web, "web", false, "serve a page for the browser")
	f.StringVar(address, "web-addr", defaultWeb, "`address` of the page; one that others can reach needs the token in the URL that is shown")
	f.StringSliceVar(hosts, "web-host", nil, "`name` by which the page may be asked for, besides this machine's own")
}

// A site is the page's server. The nil one has nothing to serve.
type site struct {
	ctx      context.Context
	server   *http.Server
	listener net.Listener
	url      string
}

// openSite makes the page ready to be served.
func (a *app) openSite(ctx context.Context, source page.Source, address string, hosts []string) (*site, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	o := page.Options{Hosts: hosts, Logger: slog.New(slog.NewTextHandler(a.Err, nil))}
	url := "http://" + listener.Addr().String() + "/"
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		o.Token = rand.Text()
		url += "?token=" + o.Token
		if ok && !tcp.IP.IsUnspecified() {
			o.Hosts = append(o.Hosts, listener.Addr().String())
		}
	}
	handler, err := page.New(source, o)
	if err != nil {
		_ = listener.Close()
		return nil, usage("%w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends the streams of open pages, too
	}
	return &site{ctx, server, listener, url}, nil
}

func (s *site) serve() error {
	if s == nil {
		return nil
	}
	return serve(s.ctx, s.server, s.listener)
}
