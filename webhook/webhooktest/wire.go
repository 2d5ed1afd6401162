package webhooktest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// ending is how long what is still being handled at the end of a test may take.
const ending = 10 * time.Second

// A wire is a server and the connections to it, in memory. It begins with the first connection.
type wire struct {
	t       testing.TB
	handler http.Handler
	begin   sync.Once
	server  *http.Server
	dialled chan net.Conn
	closed  chan struct{}
	running sync.WaitGroup
}

func newWire(t testing.TB, h http.Handler) *wire {
	t.Helper()
	if h == nil {
		t.Fatalf("webhooktest: the handler is nil")
	}
	return &wire{t: t, handler: h, dialled: make(chan net.Conn), closed: make(chan struct{})}
}

func (w *wire) serveAll() {
	w.server = &http.Server{
		Handler:           http.HandlerFunc(w.serve),
		ReadHeaderTimeout: ending,
		ErrorLog:          log.New(w.t.Output(), "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked { // and its handler has returned
				w.running.Done()
			}
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, exchangeKey{}, c.(*serverConn).exchange)
		},
	}
	w.running.Go(func() { _ = w.server.Serve(w) }) // ends with Close, and with no other error
	w.t.Cleanup(func() {
		if !w.end() {
			w.t.Errorf("webhooktest: a request is still being handled %v after the end of the test", ending)
		}
	})
}

// end closes all connections and reports whether all requests have been handled.
func (w *wire) end() bool {
	_ = w.server.Close() // the listener is w, which has no error
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
	}()
	return within(ending, ended)
}

// within waits for done and reports whether it came in time.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

type exchangeKey struct{}

// serve tells the exchange that its request is being handled.
func (w *wire) serve(rw http.ResponseWriter, r *http.Request) {
	x := r.Context().Value(exchangeKey{}).(*exchange)
	defer close(x.returned)
	close(x.called)
	r.Body = &noticed{ReadCloser: r.Body, reading: x.reading}
	w.handler.ServeHTTP(rw, r)
}

// dial makes the connection of an exchange.
func (w *wire) dial(ctx context.Context, x *exchange) (net.Conn, error) {
	w.begin.Do(w.serveAll)
	client, server := net.Pipe()
	w.running.Add(1)
	select {
	case w.dialled <- &serverConn{server, x}:
		return client, nil
	case <-w.closed:
		w.running.Done()
		return nil, net.ErrClosed
	case <-ctx.Done():
		w.running.Done()
		return nil, ctx.Err()
	}
}

// Accept makes the wire the server's listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.dialled:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close is called by the server, once.
func (w *wire) Close() error {
	close(w.closed)
	return nil
}

// Addr returns an address that is nobody's.
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// A serverConn is the server's end of a connection. It has addresses such as handlers may read.
type serverConn struct {
	net.Conn
	exchange *exchange
}

func (c *serverConn) LocalAddr() net.Addr { return (*wire)(nil).Addr() }

func (c *serverConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152}
}

// A noticed body tells when it is read for the first time.
type noticed struct {
	io.ReadCloser
	once    sync.Once
	reading chan struct{}
}

func (b *noticed) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.reading) })
	return b.ReadCloser.Read(p)
}
