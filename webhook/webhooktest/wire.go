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

// ending is how long a request may still be handled after the end of the test.
const ending = 10 * time.Second

// A memServer is a server with connections in memory. It starts with the first connection.
type memServer struct {
	t       testing.TB
	handler http.Handler
	begin   sync.Once
	server  *http.Server
	dialled chan net.Conn
	closed  chan struct{}
	running sync.WaitGroup
}

func newMemServer(t testing.TB, h http.Handler) *memServer {
	t.Helper()
	if h == nil {
		t.Fatalf("webhooktest: the handler is nil")
	}
	return &memServer{t: t, handler: h, dialled: make(chan net.Conn), closed: make(chan struct{})}
}

func (w *memServer) serveAll() {
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
			return context.WithValue(ctx, roundTripKey{}, c.(*serverConn).trip)
		},
	}
	w.running.Go(func() { _ = w.server.Serve(w) }) // returns only after Close
	w.t.Cleanup(func() {
		if !w.end() {
			w.t.Errorf("webhooktest: a request is still being handled %v after the end of the test", ending)
		}
	})
}

// end closes all connections and reports whether all requests have been handled.
func (w *memServer) end() bool {
	_ = w.server.Close() // the listener is w, whose Close returns nil
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
	}()
	return within(ending, ended)
}

// within waits for done and reports whether it was closed in time.
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

type roundTripKey struct{}

// serve handles a request and closes the channels of its roundTrip.
func (w *memServer) serve(rw http.ResponseWriter, r *http.Request) {
	x := r.Context().Value(roundTripKey{}).(*roundTrip)
	defer close(x.returned)
	close(x.called)
	r.Body = &watchedBody{ReadCloser: r.Body, reading: x.reading}
	w.handler.ServeHTTP(rw, r)
}

// dial makes the connection of a roundTrip.
func (w *memServer) dial(ctx context.Context, x *roundTrip) (net.Conn, error) {
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

// Accept makes the memServer a net.Listener.
func (w *memServer) Accept() (net.Conn, error) {
	select {
	case c := <-w.dialled:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close is called once, by the server.
func (w *memServer) Close() error {
	close(w.closed)
	return nil
}

// Addr returns an address from TEST-NET-1 (RFC 5737), which belongs to no host.
func (w *memServer) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// A serverConn is the server's end of a connection. It has addresses, because a handler may read them.
type serverConn struct {
	net.Conn
	trip *roundTrip
}

func (c *serverConn) LocalAddr() net.Addr { return (*memServer)(nil).Addr() }

func (c *serverConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152}
}

// A watchedBody closes reading at its first Read.
type watchedBody struct {
	io.ReadCloser
	once    sync.Once
	reading chan struct{}
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.once.Do(func() { close(b.reading) })
	return b.ReadCloser.Read(p)
}
