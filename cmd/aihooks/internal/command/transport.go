package command

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// transport returns a transport that reaches this machine by all its names. It resolves *.localhost itself, because resolvers
// need not. It does not verify certificates of this machine, because local servers sign theirs themselves.
func transport(idle int) *http.Transport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || !isLoopback(host) || net.ParseIP(host) != nil {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return conn, nil
		}
		if conn, err6 := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return conn, nil
		}
		return nil, err
	}
	return &http.Transport{
		MaxIdleConnsPerHost: idle,
		Proxy: func(r *http.Request) (*url.URL, error) {
			if isLoopback(r.URL.Hostname()) {
				return nil, nil // no proxy
			}
			return http.ProxyFromEnvironment(r)
		},
		DialContext: dial,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			host, _, _ := net.SplitHostPort(address) // dial has split it
			return secure(ctx, conn, host)
		},
	}
}

// secure starts TLS on a connection to host, and closes the connection if that fails.
func secure(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	client := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: isLoopback(host)}) //nolint:gosec // servers on this machine need no trusted certificate
	if err := client.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return client, nil
}

// isUntrusted reports whether the certificate of the server was refused.
func isUntrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
