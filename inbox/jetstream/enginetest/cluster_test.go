package enginetest_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
)

// A cluster are three servers.
type cluster struct {
	options []*server.Options
	servers []*server.Server
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := new(cluster)
	var routes []*url.URL
	for range 3 {
		routes = append(routes, &url.URL{Scheme: "nats", Host: freeAddress(t)})
	}
	for i, route := range routes {
		o := options(t.TempDir())
		o.SyncAlways = false // three servers do not fail at once
		o.ServerName = fmt.Sprint("server", i)
		o.Cluster = server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: portIn(t, route.Host)}
		o.Routes = routes
		c.options = append(c.options, o)
	}
	for _, o := range c.options {
		s, err := server.NewServer(o)
		require.NoError(t, err)
		s.Start()
		c.servers = append(c.servers, s)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			stopServer(s)
		}
	})
	for i, s := range c.servers {
		require.True(t, s.ReadyForConnections(patience))
		c.options[i].Port = portOf(s)
	}
	soon(t, func() bool {
		for _, s := range c.servers {
			if s.JetStreamIsLeader() {
				return s.JetStreamClusterPeers() != nil && len(s.JetStreamClusterPeers()) == len(c.servers)
			}
		}
		return false
	})
	return c
}

func (c *cluster) urls() string {
	var list []string
	for _, s := range c.servers {
		list = append(list, s.ClientURL())
	}
	return strings.Join(list, ",")
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func portIn(t testing.TB, address string) (port int) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(t, err)
	return a.Port
}

func TestOfThreeServersOneMayDieInTheMiddle(t *testing.T) {
	n := 150
	if full() {
		n = 2000
	}
	c := newCluster(t)
	js := dial(t, c.urls())
	var box *jetstreaminbox.Inbox
	p := inbox.Policy{Backoff: func(int) time.Duration { return 20 * time.Millisecond }}
	soon(t, func() bool { // a cluster that has just come together refuses streams for a moment
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		box, err = jetstreaminbox.New(ctx, js, &jetstreaminbox.Options{Store: memory(t), Lease: 2 * time.Second, Policy: p})
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	d := newDesk(t, box, succeed)
	run(t, box, d)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("letter ", i)
		d.accepted(t, letter(names[i], 1000))
		if i == n/2 {
			stopServer(c.leader(t, js))
		}
	}
	for _, name := range names {
		soon(t, func() bool { return d.calls.of(name) == 1 }, name)
	}
	soon(t, func() bool { return empty(t, js) })
	require.Equal(t, n, d.calls.total(), "each is run once")
	require.Empty(t, dead(t, box))
}

// leader returns the server that leads the stream of deliveries.
func (c *cluster) leader(t testing.TB, js jetstream.JetStream) *server.Server {
	t.Helper()
	s, err := js.Stream(t.Context(), jetstreaminbox.DefaultName)
	require.NoError(t, err)
	for _, one := range c.servers {
		if one.Name() == s.CachedInfo().Cluster.Leader {
			return one
		}
	}
	require.Fail(t, "nobody leads")
	return nil
}
