//go:build unix

package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is how many hash slots a Redis Cluster has.
const slots = 16384

// NewCluster starts a Redis Cluster of n masters, without replicas, for the time of a test, and returns once every slot
// is served.
func NewCluster(t testing.TB, n int) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	bus := make([]int, n)
	for i := range servers {
		var err error
		if bus[i], err = freePort(); err != nil {
			t.Fatal(err)
		}
		servers[i] = New(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus[i]), "--cluster-node-timeout", "5000")
	}
	for i, s := range servers {
		first, last := i*slots/n, (i+1)*slots/n-1
		do(t, s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		do(t, s, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for i, s := range servers[1:] {
		do(t, servers[0], "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(s.port), strconv.Itoa(bus[i+1]))
	}
	for deadline := time.Now().Add(patience); !agree(servers); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: the cluster did not come together within %v", patience)
		}
	}
	return servers
}

func do(t testing.TB, s *Server, words ...string) {
	t.Helper()
	if _, err := s.Do(words...); err != nil {
		t.Fatal(err)
	}
}

// agree tells whether every server knows an owner of every slot, and all servers.
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
