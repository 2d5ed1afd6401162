package jetstream_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A cluster is three servers in separate processes. They keep the default sync_interval, because they do not fail
// together.
type cluster struct {
	t       testing.TB
	servers []*serverProcess
	js      jetstream.JetStream
}

// join adds a server to a cluster.
func join(o *server.Options, addresses []string, member string) error {
	n, err := strconv.Atoi(member)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: address})
	}
	own, err := net.ResolveTCPAddr("tcp", addresses[n])
	if err != nil {
		return err
	}
	o.SyncAlways = false
	o.ServerName = serverName(n)
	o.Cluster = server.ClusterOpts{Name: "three", Host: own.IP.String(), Port: own.Port}
	return nil
}

func serverName(n int) string { return fmt.Sprint("server", n) }

// newCluster returns a cluster that has the streams.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var routes []string
	for range 3 {
		routes = append(routes, kit.FreeAddress(t))
	}
	for n := range routes {
		c.servers = append(c.servers, newServerProcess(t, envRoutes+"="+strings.Join(routes, ","), envMember+"="+strconv.Itoa(n)))
	}
	c.js = dial(t, c.urls())
	kit.Eventually(t, func() bool { // a new cluster refuses streams for a moment
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := jetstreaminbox.New(ctx, c.js, &jetstreaminbox.Options{Store: memory(t)})
		return err == nil
	})
	return c
}

func (c *cluster) urls() string {
	var list []string
	for _, s := range c.servers {
		list = append(list, s.url())
	}
	return strings.Join(list, ",")
}

// leader returns the index of the server that leads the stream of deliveries.
func (c *cluster) leader() int {
	c.t.Helper()
	s, err := c.js.Stream(c.t.Context(), jetstreaminbox.DefaultName)
	require.NoError(c.t, err)
	for n := range c.servers {
		if serverName(n) == s.CachedInfo().Cluster.Leader {
			return n
		}
	}
	require.Fail(c.t, "the stream has no leader")
	return 0
}

// isWhole reports whether all replicas are up to date.
func (c *cluster) isWhole() bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	whole := func(info *jetstream.ClusterInfo) bool {
		followers := 0
		for _, peer := range info.Replicas {
			if peer.Current && !peer.Offline {
				followers++
			}
		}
		return info.Leader != "" && followers == len(c.servers)-1
	}
	for _, suffix := range []string{"", "_DEFERRED", "_DEADLETTERS"} {
		s, err := c.js.Stream(ctx, jetstreaminbox.DefaultName+suffix)
		if err != nil || !whole(s.CachedInfo().Cluster) {
			return false
		}
		consumers := s.ListConsumers(ctx)
		for info := range consumers.Info() {
			if !whole(info.Cluster) {
				return false
			}
		}
		if consumers.Err() != nil {
			return false
		}
	}
	return true
}

// When the leader is killed, the other two servers elect a new one. Deliveries get 503 until then. The receivers are not
// restarted or notified: they continue while the old leader is still down.
func TestCluster_LosesAndRepeatsNothingOnFailover(t *testing.T) {
	s := scale{n: 160, faults: 1, rate: 60, minute: 70 * time.Millisecond}
	if kit.Full() {
		s = scale{n: 6000, faults: 12, rate: 60, minute: 500 * time.Millisecond}
	}
	c := newCluster(t)
	file := filepath.Join(t.TempDir(), "store.db")
	fleet := crashtest.NewFleet(t, 3, receiver(c.urls(), file, time.Second))
	const spare = 4000 // per fault, to find out when deliveries are accepted again
	all := crashtest.Deliveries(s.n + spare*s.faults)
	sender := &crashtest.Sender{Deliveries: all[:s.n:s.n], Fleet: fleet, Minute: s.minute, Rate: s.rate, Timeout: kit.Patience}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sender.Send()
	}()
	var outages []time.Duration
	var others []*crashtest.Delivery
	for k := range s.faults {
		for sender.Progress() < float64(k+1)/float64(s.faults+1) {
			time.Sleep(time.Millisecond)
		}
		kit.Eventually(t, c.isWhole, "the server that was killed before is not up to date")
		target := k / 2 % len(c.servers) // each server in turn
		if k%2 == 0 {
			target = c.leader()
		}
		c.servers[target].kill()
		began := time.Now()
		tried, refused := untilAccepted(t, fleet, all[s.n+spare*k:][:spare])
		others = append(others, tried...)
		require.True(t, k%2 == 1 || refused > 0, "no delivery was refused without the leader")
		outages = append(outages, time.Since(began).Round(time.Millisecond))
		c.servers[target].start()
	}
	<-sent
	kit.Eventually(t, c.isWhole, "the server that was killed last is not up to date") // before that, it may not respond
	drained(t, c.urls())
	fleet.End()
	for response, times := range sender.Responses() {
		require.Contains(t, []string{"200", "503"}, response, "%d times", times)
	}
	sender.Deliveries = append(sender.Deliveries, others...)
	check(t, c.js, file, sender, fleet)
	t.Logf("%d servers killed; 200 again, with two servers, after %v", s.faults, outages)
}

// A cluster refuses a message with an error while it stores another one with the same id.
func TestCluster_ReportsConcurrentDuplicates(t *testing.T) {
	c := newCluster(t)
	box, err := jetstreaminbox.New(t.Context(), c.js, &jetstreaminbox.Options{Store: memory(t)})
	require.NoError(t, err)
	for n := range 20 {
		var senders sync.WaitGroup
		var stored atomic.Int64
		for range 10 {
			senders.Go(func() {
				duplicate, err := box.Enqueue(t.Context(), newDelivery(fmt.Sprint(n)))
				if err != nil {
					t.Error(err)
				}
				if !duplicate {
					stored.Add(1)
				}
			})
		}
		senders.Wait()
		require.EqualValues(t, 1, stored.Load())
	}
}

// untilAccepted sends one delivery after the other until one gets 200. It returns the sent deliveries, and the number of
// 503 responses.
func untilAccepted(t testing.TB, fleet *crashtest.Fleet, deliveries []*crashtest.Delivery) (tried []*crashtest.Delivery, refused int) {
	t.Helper()
	began := time.Now()
	for n, d := range deliveries {
		one := &crashtest.Sender{Deliveries: []*crashtest.Delivery{d}, Fleet: fleet, Rate: 100, Timeout: kit.Patience}
		one.Send()
		for response, times := range one.Responses() {
			require.Contains(t, []string{"200", "503"}, response, "%d times", times)
		}
		refused += one.Responses()["503"]
		if d.Accepted() > 0 {
			return deliveries[:n+1], refused
		}
		require.Less(t, time.Since(began), kit.Patience, "two of three servers accept no deliveries")
	}
	require.Fail(t, "two of three servers accept no deliveries")
	return nil, 0
}
