package command

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
)

func TestOrigins_OpenOnThisMachine(t *testing.T) {
	for _, ip := range []net.IP{net.IPv6unspecified, net.IPv4zero} {
		all := origins(&net.TCPAddr{IP: ip, Port: 8788})
		require.Equal(t, "http://127.0.0.1:8788", all[0])
		handler, err := page.New(live.New(live.Options{Title: "t"}), page.Options{Token: "0123456789abcdef"})
		require.NoError(t, err)
		for _, origin := range all {
			u, err := url.Parse(origin)
			require.NoError(t, err)
			require.NotEmpty(t, u.Hostname())
			require.False(t, net.ParseIP(u.Hostname()).IsUnspecified(), origin)
			require.False(t, net.ParseIP(u.Hostname()).IsLinkLocalUnicast(), "browsers do not open link-local addresses: %s", origin)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, origin+"/?token=0123456789abcdef", nil))
			require.Equal(t, http.StatusSeeOther, w.Code, "the page must accept it: %s", origin)
		}
	}
	require.Equal(t, []string{"http://[::1]:1"}, origins(&net.TCPAddr{IP: net.IPv6loopback, Port: 1}))
	require.Equal(t, []string{"http://127.0.0.2:1"}, origins(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1}))
}

func TestIsLoopback_KnowsLocalhost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "hooks.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"192.0.2.1": false, "evillocalhost": false, "localhost.example": false, "": false,
	} {
		require.Equal(t, want, isLoopback(host), host)
	}
}
