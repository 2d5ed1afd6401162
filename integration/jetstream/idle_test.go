package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// runIdle runs an inbox with n endpoints, and returns once each has its consumer.
func runIdle(t testing.TB, js jetstream.JetStream, n int, called func()) (box *jetstreaminbox.Inbox, stop func()) {
	t.Helper()
	box = open(t, js, jetstreaminbox.Options{})
	hooks := make([]inbox.Handler, n)
	for i := range hooks {
		hooks[i] = inboxkit.Fake{VendorName: "workflux", EndpointName: fmt.Sprint("endpoint", i), Callback: inboxkit.Calls(called)}
	}
	stop = inboxkit.Run(t, box, hooks...)
	for created := 0; created < n; { // a busy machine may take minutes for all, and not for the next
		kit.Eventually(t, func() bool {
			s, err := js.Stream(context.Background(), jetstreaminbox.DefaultName)
			if err != nil || s.CachedInfo().State.Consumers <= created {
				return false
			}
			created = s.CachedInfo().State.Consumers
			return true
		})
	}
	return box, stop
}

// sentPerSecond measures how many messages a connection sends per second.
func sentPerSecond(js jetstream.JetStream, over time.Duration) float64 {
	before, began := js.Conn().Stats().OutMsgs, time.Now()
	time.Sleep(over)
	return float64(js.Conn().Stats().OutMsgs-before) / time.Since(began).Seconds()
}

func TestIdle_RequestsAreBounded(t *testing.T) {
	t.Parallel()
	for endpoints, most := range map[int]float64{1: 4.5, 150: 250, 400: 250} {
		t.Run(fmt.Sprint(endpoints), func(t *testing.T) {
			o := options(filepath.Join(t.TempDir(), "nats"))
			o.SyncAlways = false // hundreds of consumers, each with several files
			js := dial(t, startServer(t, o).ClientURL())
			called := make(chan struct{}, 1)
			box, stop := runIdle(t, js, endpoints, func() { called <- struct{}{} })
			rate := sentPerSecond(js, 5*time.Second)
			for range 5 { // at first, each endpoint also requests what is there already
				if rate >= most {
					rate = sentPerSecond(js, 5*time.Second)
				}
			}
			require.Less(t, rate, most)
			d := newDelivery("a")
			d.Endpoint = fmt.Sprint("endpoint", endpoints-1)
			_, err := box.Enqueue(t.Context(), d)
			require.NoError(t, err)
			<-called // an open request gets it
			stop()
		})
	}
}

// BenchmarkIdle measures the cost of idle endpoints: requests per second, and the CPU of this process and of the server.
func BenchmarkIdle(b *testing.B) {
	for _, endpoints := range []int{1, 60, 1000} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) {
			server := newServerProcess(b)
			js := dial(b, server.url())
			awaitServer(b, js)
			_, stop := runIdle(b, js, endpoints, func() {})
			const over = 12 * time.Second // longer than the interval of maintain
			time.Sleep(over / 2)
			here, there := ownCPU(b), cpuOf(b, server.cmd.Process.Pid)
			rate := sentPerSecond(js, over)
			b.ReportMetric(rate, "requests/s")
			b.ReportMetric(100*(ownCPU(b)-here).Seconds()/over.Seconds(), "cpu%")
			b.ReportMetric(100*(cpuOf(b, server.cmd.Process.Pid)-there).Seconds()/over.Seconds(), "server-cpu%")
			began := time.Now()
			stop()
			b.ReportMetric(time.Since(began).Seconds(), "s-to-end")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf reads the CPU time of a process from /proc, where a tick is a hundredth of a second.
func cpuOf(b *testing.B, pid int) (cpu time.Duration) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		cpu += time.Duration(n) * 10 * time.Millisecond
	}
	return cpu
}
