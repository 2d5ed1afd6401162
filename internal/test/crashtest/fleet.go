//go:build unix

package crashtest

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A Fleet is a set of receivers.
type Fleet struct {
	// EventLog has the events of all receivers.
	EventLog *EventLog

	t       testing.TB
	command func() *exec.Cmd
	began   time.Time

	mu    sync.Mutex
	slots []*slot
	next  int

	kills, killsDraining, killsStarting, deploys int
	all                                          []*Process
}

// A slot is an address, and the receiver that listens there.
type slot struct {
	address string
	process *Process
	pending atomic.Int64 // requests that have not reached a handler
}

// NewFleet starts n receivers with command, each at a different address. They are killed when the test ends.
func NewFleet(t testing.TB, n int, command func() *exec.Cmd) *Fleet {
	t.Helper()
	f := &Fleet{EventLog: new(EventLog), t: t, command: command, began: time.Now()}
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
	s := &slot{address: kit.FreeAddress(f.t)}
	f.replace(s)
	require.NoError(f.t, s.process.awaitReady())
	return s
}

// route returns the address of the next request: each receiver in turn. The sender calls arrived when the request has
// reached the handler, or has ended.
func (f *Fleet) route() (address string, arrived func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	s := f.slots[f.next%len(f.slots)]
	s.pending.Add(1)
	return s.address, sync.OnceFunc(func() { s.pending.Add(-1) })
}

// replace starts a receiver in a slot. It does not wait until the receiver listens.
func (f *Fleet) replace(s *slot) {
	f.t.Helper()
	cmd := f.command()
	cmd.Env = append(cmd.Environ(), envListen+"="+s.address)
	p, err := start(cmd, f.EventLog)
	require.NoError(f.t, err)
	s.process = p
	f.all = append(f.all, p)
}

// KillReceivers kills that many receivers and replaces them. The kills are spread evenly over the progress, from 0 to 1.
// Most hit a working receiver. Some hit one that shuts down or starts.
func (f *Fleet) KillReceivers(kills int, progress func() float64) {
	f.t.Helper()
	for k := range kills {
		await(progress, k, kills)
		time.Sleep(rand.N(20 * time.Millisecond)) //nolint:gosec // any moment
		s := f.slots[rand.IntN(len(f.slots))]     //nolint:gosec // any receiver
		switch k % 6 {
		case 2:
			s.process.terminate()
			time.Sleep(rand.N(40 * time.Millisecond)) //nolint:gosec // any moment
			f.killsDraining++
		case 5:
			s.process.kill()
			f.check(s.process)
			f.replace(s)
			time.Sleep(rand.N(100 * time.Millisecond)) //nolint:gosec // any moment
			f.killsStarting++
			f.kills++
		}
		s.process.kill()
		f.kills++
		f.check(s.process)
		f.replace(s)
		require.NoError(f.t, s.process.awaitReady())
	}
}

// await waits for the progress at which the kth of n actions must happen.
func await(progress func() float64, k, n int) {
	for progress() < float64(k+1)/float64(n+1) {
		time.Sleep(time.Millisecond)
	}
}

// Deploy makes that many deployments, spread evenly over the progress, from 0 to 1.
func (f *Fleet) Deploy(deploys int, progress func() float64) {
	f.t.Helper()
	for k := range deploys {
		await(progress, k, deploys)
		f.deploy()
	}
}

// deploy replaces a receiver without downtime. It starts a new receiver, routes all requests to it once it listens, and
// ends the old one when no more requests are on their way there. Requests that the old handler has received continue
// meanwhile. Every second deployment first shuts down the old handlers, while requests still arrive.
//
// A server that shuts down drops a request that it has accepted and not read. net/http does not prevent that.
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
	for deadline := time.Now().Add(kit.Patience); old.pending.Load() > 0; time.Sleep(time.Millisecond) {
		require.True(f.t, time.Now().Before(deadline), "requests do not reach the handler")
	}
	require.NoError(f.t, old.process.end())
	f.deploys++
}

// End ends all receivers with SIGTERM.
func (f *Fleet) End() {
	f.t.Helper()
	for _, s := range f.slots {
		require.NoError(f.t, s.process.end())
	}
}

// check fails the test if a killed process had failed before.
func (f *Fleet) check(p *Process) {
	f.t.Helper()
	require.NoError(f.t, p.failure())
}

// Log returns the standard error of all receivers.
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

// String returns the statistics.
func (f *Fleet) String() string {
	text := fmt.Sprintf("%d receivers started", len(f.all))
	if f.kills > 0 {
		text += fmt.Sprintf(", %d killed (%d during shutdown, %d during start)", f.kills, f.killsDraining, f.killsStarting)
	}
	if f.deploys > 0 {
		text += fmt.Sprintf(", %d deploys", f.deploys)
	}
	return fmt.Sprintf("%s; %d callbacks run; %v", text, f.EventLog.Runs(), time.Since(f.began).Round(time.Millisecond))
}
