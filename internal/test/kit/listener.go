package kit

import (
	"context"
	"net"
	"sync"
)

// A PipeListener accepts connections in memory, because a synctest bubble cannot wait for a network.
type PipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipeListener returns a listener without connections.
func NewPipeListener() *PipeListener {
	return &PipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Addr returns an address for net.Listener.
func (l *PipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// Close ends Accept and Dial.
func (l *PipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Closed returns a channel that Close closes.
func (l *PipeListener) Closed() <-chan struct{} { return l.closed }

// Accept returns the next connection.
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Dial returns a connection to the listener, once it is accepted.
func (l *PipeListener) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// DialContext is Dial for an http.Transport.
func (l *PipeListener) DialContext(context.Context, string, string) (net.Conn, error) {
	return l.Dial()
}
