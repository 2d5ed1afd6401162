//go:build unix

package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Fleet is the receivers that run at a time.
type Fleet struct {
	// Journal is what they say.
	Journal *Journal

	t       testing.TB
	command func() *exec.Cmd
	began   time.Time

	mu    sync.Mutex
	slots []*slot
	next  int

	kills, killsDraining, killsStarting, deploys int
	all                                          []*Process
}

// A slot is an address at which a receiver listens, or another after it.
type slot struct {
	address  string
	process  *Process
	entering atomic.Int64 // requests that are on their way to a handler
}

// NewFleet starts n receivers, each at an address of its own, and each with the command that is returned for it. They are
// ended with the test.
func NewFleet(t testing.TB, n int, command func() *exec.Cmd) *Fleet {
	t.Helper()
	f := &Fleet{Journal: new(Journal), t: t, command: command, began: time.Now()}
	t.Cleanup(func() {
		for _, p := range f.all {
			p.kill()
		}
		if t.Failed() {
			f.showLogs()
		}
	})
	for range n {
		f.slots = append(f.slots, f.newSlot())
	}
	return f
}

// newSlot starts a receiver at a new address, and waits until it listens.
func (f *Fleet) newSlot() *slot {
	f.t.Helper()
	s := &slot{address: FreeAddress(f.t)}
	f.begin(s)
	require.NoError(f.t, s.process.awaitReady())
	return s
}

var nextPort atomic.Int64

// FreeAddress returns an address for a server that is started later, and may be stopped and started again. No other
// process takes it meanwhile: on Linux, each process has a loopback address that follows from its number, and elsewhere
// the port is a random one. The system gives none of these ports to clients, or one that connects in vain might be
// connected to itself.
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
	return "", fmt.Errorf("crashtest: no port is free: %w", err)
}

// enter returns where the next request goes: to each in turn. Whoever sends it says when it has come to the handler's hands,
// or to its end.
func (f *Fleet) enter() (address string, entered func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	s := f.slots[f.next%len(f.slots)]
	s.entering.Add(1)
	return s.address, sync.OnceFunc(func() { s.entering.Add(-1) })
}

// begin starts a receiver. It does not wait until it listens.
func (f *Fleet) begin(s *slot) {
	f.t.Helper()
	cmd := f.command()
	cmd.Env = append(cmd.Environ(), envListen+"="+s.address)
	p, err := start(cmd, f.Journal)
	require.NoError(f.t, err)
	s.process = p
	f.all = append(f.all, p)
}

// Torment kills receivers and starts others in their places, as often as that, spread evenly over the progress, which goes
// from 0 to 1, and at random moments: mostly while they work, now and then while they end, or while they begin.
func (f *Fleet) Torment(kills int, progress func() float64) {
	f.t.Helper()
	for k := range kills {
		await(progress, k, kills)
		time.Sleep(rand.N(20 * time.Millisecond)) //nolint:gosec // any moment
		s := f.slots[rand.IntN(len(f.slots))]     //nolint:gosec // anyone
		switch k % 6 {
		case 2:
			s.process.tell()
			time.Sleep(rand.N(40 * time.Millisecond)) //nolint:gosec // any moment
			f.killsDraining++
		case 5:
			s.process.kill()
			f.check(s.process)
			f.begin(s)
			time.Sleep(rand.N(100 * time.Millisecond)) //nolint:gosec // any moment
			f.killsStarting++
			f.kills++
		}
		s.process.kill()
		f.kills++
		f.check(s.process)
		f.begin(s)
		require.NoError(f.t, s.process.awaitReady())
	}
}

// await waits until it is time for the kth of n things to happen.
func await(progress func() float64, k, n int) {
	for progress() < float64(k+1)/float64(n+1) {
		time.Sleep(time.Millisecond)
	}
}

// Roll deploys as often as that, spread evenly over the progress, which goes from 0 to 1.
func (f *Fleet) Roll(deploys int, progress func() float64) {
	f.t.Helper()
	for k := range deploys {
		await(progress, k, deploys)
		f.deploy()
	}
}

// deploy does what those do who deploy without a gap: it starts a receiver, has all requests go there once it listens, and
// has the one before it end once no more of them come in there. Those that the handler has in its hands go on meanwhile.
// Every second one has its handlers shut down before, while it still is the one that requests come to.
//
// (A request that the server has accepted and not read when it is shut down it drops: net/http knows no better.)
func (f *Fleet) deploy() {
	f.t.Helper()
	old := f.slots[0]
	if f.deploys%2 == 1 {
		require.NoError(f.t, old.process.cmd.Process.Signal(syscall.SIGUSR1))
	}
	s := f.newSlot()
	f.mu.Lock()
	f.slots[0] = s
	f.mu.Unlock()
	for deadline := time.Now().Add(slow); old.entering.Load() > 0; time.Sleep(time.Millisecond) {
		require.True(f.t, time.Now().Before(deadline), "requests do not come to the handler")
	}
	require.NoError(f.t, old.process.end())
	f.deploys++
}

// End has the receivers end, by their own means.
func (f *Fleet) End() {
	f.t.Helper()
	for _, s := range f.slots {
		require.NoError(f.t, s.process.end())
	}
}

// check fails the test if a process that was killed had something to complain of before.
func (f *Fleet) check(p *Process) {
	f.t.Helper()
	require.NoError(f.t, p.trouble())
}

// Log returns what all receivers have written on standard error.
func (f *Fleet) Log() string {
	var text strings.Builder
	for _, p := range f.all {
		text.WriteString(p.log.String())
	}
	return text.String()
}

func (f *Fleet) showLogs() {
	for _, p := range f.all {
		if text := p.log.String(); text != "" {
			f.t.Logf("the log of %v:\n%.20000s", p, text)
		}
	}
}

// String returns the figures.
func (f *Fleet) String() string {
	text := fmt.Sprintf("%d receivers started", len(f.all))
	if f.kills > 0 {
		text += fmt.Sprintf(", %d killed (%d while they ended, %d while they began)", f.kills, f.killsDraining, f.killsStarting)
	}
	if f.deploys > 0 {
		text += fmt.Sprintf(", %d deploys", f.deploys)
	}
	return fmt.Sprintf("%s; %d callbacks run; %v", text, f.Journal.Runs(), time.Since(f.began).Round(time.Millisecond))
}
