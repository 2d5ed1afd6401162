package command

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecure_TrustsThisMachineAlone(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	for host, trusted := range map[string]bool{
		"localhost": true, "hooks.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"example.com": false, "hooks.test": false, "192.0.2.7": false, "2001:db8::7": false, "localhost.test": false, "127.0.0.1.test": false,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		client, err := secure(t.Context(), conn, host)
		if trusted {
			require.NoError(t, err, host)
			require.NoError(t, client.Close())
			continue
		}
		require.ErrorAs(t, err, new(*tls.CertificateVerificationError), host)
		require.ErrorIs(t, conn.Close(), net.ErrClosed, host)
	}
}
