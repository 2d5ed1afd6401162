//go:build unix

package redistest

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// NewCluster starts a Redis Cluster of n masters without replicas. It returns when every slot is served. The cluster ends
// with the test.
func NewCluster(t testing.TB, n int) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	bus := make([]string, n)
	for i := range servers {
		var host string
		host, bus[i] = split(t, kit.FreeAddress(t))
		// The others reach a server where its connections come from. On a machine that is busy none takes another one for dead.
		servers[i] = New(t, "--bind-source-addr", host,
			"--cluster-enabled", "yes", "--cluster-port", bus[i], "--cluster-node-timeout", "60000")
	}
	for i, s := range servers {
		first, last := i*slots/n, (i+1)*slots/n-1
		do(t, s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		do(t, s, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for i, s := range servers[1:] {
		host, port := split(t, s.Addr())
		do(t, servers[0], "CLUSTER", "MEET", host, port, bus[i+1])
	}
	for deadline := time.Now().Add(patience); !agree(servers); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: the cluster was not complete within %v", patience)
		}
	}
	return servers
}

func split(t testing.TB, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func do(t testing.TB, s *Server, words ...string) {
	t.Helper()
	if _, err := s.Do(words...); err != nil {
		t.Fatal(err)
	}
}

// agree reports whether every server knows all servers and an owner of every slot.
func agree(servers []*Server) bool {
	for _, s := range servers {
		info, err := s.Do("CLUSTER", "INFO")
		if err != nil || !strings.Contains(info, "cluster_state:ok") ||
			!strings.Contains(info, fmt.Sprintf("cluster_slots_assigned:%d\r", slots)) ||
			!strings.Contains(info, fmt.Sprintf("cluster_size:%d\r", len(servers))) {
			return false
		}
	}
	return true
}
