//go:build unix

package redistest

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy forwards between clients and a server. It can delay or lose replies.
type Proxy struct {
	listener net.Listener
	target   string
	delay    atomic.Int64
	lose     atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

// NewProxy starts a proxy for the server. The proxy ends with the test.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	listener, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: s.Addr(), conns: make(map[net.Conn]bool)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.ended = true
		for conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		running.Wait()
	})
	return p
}

// Addr returns the address that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Delay delays every later reply by d.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// LoseAnswers closes the connection instead of forwarding a reply, for the next n replies.
func (p *Proxy) LoseAnswers(n int) { p.lose.Store(int64(n)) }

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !p.keep(client, server) {
		return
	}
	defer p.drop(client, server)
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if p.lose.Load() > 0 && p.lose.Add(-1) >= 0 {
			return
		}
		time.Sleep(time.Duration(p.delay.Load()))
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		p.conns[conn] = true
	}
	return !p.ended
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}
