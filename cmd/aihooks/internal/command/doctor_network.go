package command

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	// connectTimeout bounds each of the checks of the network.
	connectTimeout = 5 * time.Second

	// expiresSoon is how long before its end a certificate is a warning.
	expiresSoon = 14 * 24 * time.Hour
)

// usesProxy reports whether this machine reaches the endpoint by a proxy.
func (d *doctor) usesProxy() bool {
	t := d.client.Transport.(*http.Transport)
	proxy, err := t.Proxy(&http.Request{URL: d.target})
	return err != nil || proxy != nil
}

// dial connects to the endpoint.
func (d *doctor) dial(ctx context.Context) (net.Conn, error) {
	port := cmp.Or(d.target.Port(), map[string]string{"http": "80", "https": "443"}[d.target.Scheme])
	return d.client.Transport.(*http.Transport).DialContext(ctx, "tcp", net.JoinHostPort(d.target.Hostname(), port))
}

const byProxy = "The variable HTTP_PROXY or HTTPS_PROXY is set, so a proxy connects to the endpoint."

func checkDNS(ctx context.Context, d *doctor) finding {
	host := d.target.Hostname()
	switch {
	case d.usesProxy():
		return skipped(byProxy)
	case isLoopback(host):
		return fine("The URL is on this machine.")
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return problem(fmt.Sprintf("The name %s cannot be resolved: %v.", host, err), "Correct the URL, or add the DNS record.")
	}
	return judgeAddresses(host, addresses)
}

// judgeAddresses warns of addresses that a vendor cannot reach.
func judgeAddresses(host string, addresses []netip.Addr) finding {
	for _, a := range addresses {
		if a = a.Unmap(); a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() {
			return warning(fmt.Sprintf("%s has the private address %s.", host, a), "A vendor reaches only a public address: check the DNS record.")
		}
	}
	return fine(fmt.Sprintf("%s has %d public addresses.", host, len(addresses)))
}

func checkConnection(ctx context.Context, d *doctor) finding {
	if d.usesProxy() {
		return skipped(byProxy)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := d.dial(ctx)
	if err != nil {
		return problem(fmt.Sprintf("The connection fails: %v.", err), "Start the service, and open its port in the firewall and the load balancer.")
	}
	_ = conn.Close()
	return fine("The endpoint accepts connections.")
}

func checkCertificate(ctx context.Context, d *doctor) finding {
	host := d.target.Hostname()
	switch {
	case d.usesProxy():
		return skipped(byProxy)
	case d.target.Scheme == "http" && isLoopback(host):
		return skipped("The URL is http on this machine.")
	case d.target.Scheme == "http":
		return warning("The URL is http, so anyone on the way can read deliveries, and EmberQA's token.", "Set an https URL at the vendor.")
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := d.dial(ctx)
	if err != nil {
		return problem(fmt.Sprintf("The connection fails: %v.", err), "Check the network, and run doctor again.")
	}
	defer func() { _ = conn.Close() }()
	client := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // judgeCertificate verifies
	if err := client.HandshakeContext(ctx); err != nil {
		return problem(fmt.Sprintf("The TLS handshake fails: %v.", err), "Configure TLS 1.2 or later on this port, or set an http URL if it has none.")
	}
	return d.judgeCertificate(host, client.ConnectionState().PeerCertificates)
}

// judgeCertificate verifies the certificates of a server as a vendor does.
func (d *doctor) judgeCertificate(host string, chain []*x509.Certificate) finding {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: d.roots, Intermediates: intermediates})
	ends := chain[0].NotAfter
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch left := time.Until(ends); {
	case left <= 0:
		return problem(fmt.Sprintf("The certificate expired on %s.", ends.Format(time.DateOnly)), "Renew it.")
	case unknown && isLoopback(host):
		return warning("The certificate is not signed by a known authority, which is usual on this machine.", "A vendor accepts only a certificate of a public authority.")
	case unknown:
		return problem(fmt.Sprintf("The certificate is not trusted: %v.", err), "Use a certificate of a public authority, and serve its intermediate certificates too.")
	case err != nil:
		return problem(fmt.Sprintf("The certificate is not valid: %v.", err), "Use a certificate for this name.")
	case left < expiresSoon:
		return warning(fmt.Sprintf("The certificate expires on %s.", ends.Format(time.DateOnly)), "Renew it, and check why it was not renewed automatically.")
	}
	return fine(fmt.Sprintf("The certificate is valid until %s.", ends.Format(time.DateOnly)))
}
