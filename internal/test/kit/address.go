package kit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var nextPort atomic.Int64

// FreeAddress returns an address for a server that is started later, and may be restarted. On Linux, each process has a
// separate loopback address, derived from its process id. Elsewhere, the port is random. All ports are below the
// ephemeral range, because a client that connects to an unused ephemeral port may connect to itself.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := Address()
	require.NoError(t, err)
	return address
}

// Address is FreeAddress without a test.
func Address() (address string, err error) {
	host, first := "127.0.0.1", rand.Int64N(10_000) //nolint:gosec // no secret
	if runtime.GOOS == "linux" {
		pid := os.Getpid()
		host, first = fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, pid&255), 0
	}
	for range 100 {
		address = fmt.Sprintf("%s:%d", host, 20_000+(first+nextPort.Add(1))%10_000)
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("kit: no port is free: %w", err)
}
