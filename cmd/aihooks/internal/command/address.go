package command

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// listenOn listens on an address. "8787" is a port of the loopback address, and ":8787" is a port of all addresses.
func listenOn(ctx context.Context, flag, address string) (net.Listener, error) {
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		address = net.JoinHostPort("127.0.0.1", address)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, usage("%s (%q) must be HOST:PORT or a port, such as 127.0.0.1:8787 or 8787; put an IPv6 address in brackets", flag, address)
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// origins returns the URLs of a listener, without a path. The first one opens on this machine.
func origins(address net.Addr) []string {
	listening, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return []string{"http://" + address.String()}
	}
	addresses := []netip.Addr{listening.Addr()}
	if listening.Addr().IsUnspecified() {
		addresses = ownAddresses(listening.Addr())
	}
	all := make([]string, len(addresses))
	for i, a := range addresses {
		all[i] = "http://" + netip.AddrPortFrom(a, listening.Port()).String()
	}
	return all
}

// ownAddresses returns this machine's addresses for a listener on all of them: loopback first, then IPv4.
func ownAddresses(all netip.Addr) []netip.Addr {
	addresses := []netip.Addr{netip.MustParseAddr("127.0.0.1")} // Go's IPv6 listener takes IPv4 as well
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return addresses // loopback is always reachable
	}
	for _, i := range interfaces {
		prefix, err := netip.ParsePrefix(i.String())
		if a := prefix.Addr(); err == nil && a.IsGlobalUnicast() && (a.Is4() || all.Is6()) {
			addresses = append(addresses, a)
		}
	}
	slices.SortStableFunc(addresses[1:], func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	return addresses
}

// isLoopback reports whether a host, without a port, is this machine. RFC 6761 reserves *.localhost for it.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
