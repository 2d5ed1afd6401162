//go:build unix

package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/inboxkit"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

// A CrashLoop runs deliveries in one process after another. Some of the deliveries kill the process that runs them.
type CrashLoop struct {
	inbox       inbox.Inbox      // of the test; it has no Run
	worker      func() *exec.Cmd // returns the command of a process that calls [RunWorker]
	maxAttempts int              // of the worker's policy

	Poison int // how many deliveries kill their process
	Good   int // how many do not, and are stored before the first process starts
	Late   int // how many more do not, and are stored one after each crash
}

// RunLoops runs each loop in a parallel subtest. Open returns the inbox of the test, and the worker.
func RunLoops(t *testing.T, maxAttempts int, loops map[string]CrashLoop, open func(t *testing.T) (inbox.Inbox, func() *exec.Cmd)) {
	t.Helper()
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loop.maxAttempts = maxAttempts
			loop.inbox, loop.worker = open(t)
			t.Logf("%d crashes", loop.run(t))
		})
	}
}

// How long the callbacks take. A poison callback kills the process while good ones run.
const (
	poisonTakes = 20 * time.Millisecond
	goodTakes   = 60 * time.Millisecond
)

// runOrCrash kills its process for the IDs that begin with "poison", and prints all other IDs.
func runOrCrash(_ context.Context, d *webhook.Delivery) webhook.Result {
	if strings.HasPrefix(d.ID, "poison") {
		time.Sleep(poisonTakes)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	time.Sleep(goodTakes)
	fmt.Println(d.ID)
	return webhook.Result{Outcome: webhook.Handled}
}

// RunWorker runs the inbox until a delivery kills the process, or SIGTERM ends it.
func RunWorker(box inbox.Inbox) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return box.Run(ctx, inboxkit.Fake{VendorName: "acme", Callback: runOrCrash})
}

// run starts processes until each poison delivery is a dead letter, and each other one has run. It checks that nothing
// else is a dead letter, and that the histories are right. It returns how many processes were killed.
func (l *CrashLoop) run(t testing.TB) (crashes int) {
	t.Helper()
	want, poison := make(map[string]bool), []string{}
	enqueue := func(id string) {
		_, err := l.inbox.Enqueue(t.Context(), inboxkit.NewDelivery("acme", "ping", id, []byte("{}")))
		require.NoError(t, err)
		if strings.HasPrefix(id, "poison") {
			poison = append(poison, id)
		} else {
			want[id] = true
		}
	}
	for i := range l.Good + l.Poison {
		if i >= l.Good/2 && i < l.Good/2+l.Poison { // in the middle
			enqueue(fmt.Sprint("poison ", i))
		} else {
			enqueue(fmt.Sprint("good ", i))
		}
	}
	ran := make(map[string]bool)
	for deadline := time.Now().Add(kit.Patience*2 + time.Duration(l.Poison*l.maxAttempts)*10*time.Second); ; crashes++ {
		require.True(t, time.Now().Before(deadline), "after %d crashes, %d of %d have run; dead letters: %v", crashes, len(ran), len(want), l.deadLetters(t))
		done := func() bool {
			dead := l.deadLetters(t)
			for id, history := range dead {
				require.Contains(t, poison, id, "a good delivery is a dead letter after %d crashes: %+v", crashes, history)
			}
			return len(ran) == len(want) && len(dead) == len(poison)
		}
		if l.work(t, ran, done, time.Until(deadline)) {
			break
		}
		if crashes < l.Late {
			enqueue(fmt.Sprint("late ", crashes))
		}
	}
	require.Equal(t, want, ran)
	dead := l.deadLetters(t)
	require.Len(t, dead, len(poison), "%d crashes; dead letters: %v", crashes, dead)
	for _, id := range poison {
		history := dead[id]
		require.NotEmpty(t, history, id)
		counted := 0
		for _, a := range history {
			require.Equal(t, inbox.Lost, a.Outcome, id)
			if a.Counted {
				counted++
			}
		}
		require.False(t, history[0].Counted, "the first lost attempt must not count")
		require.Equal(t, l.maxAttempts, counted, "%s: %+v", id, history)
	}
	return crashes
}

// work runs one process until it is killed, or done returns true. It adds the deliveries that it has run to ran.
func (l *CrashLoop) work(t testing.TB, ran map[string]bool, done func() bool, within time.Duration) (ended bool) {
	t.Helper()
	var log lockedBuffer
	cmd := l.worker()
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, kit.Start(cmd))
	defer func() { _ = cmd.Process.Kill() }() // if the test has failed
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	timeout, late := time.After(within), false
	for open := true; open; {
		var id string
		select {
		case id, open = <-lines:
			if open {
				ran[id] = true
			}
		case <-look.C:
			if !ended && done() {
				ended = true
				require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			}
		case <-timeout:
			late = true
			require.NoError(t, cmd.Process.Signal(syscall.SIGQUIT)) // it prints what its goroutines do
			time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	require.False(t, late, "%d have run, and the process was not killed in time:\n%s", len(ran), log.String())
	require.Equal(t, ended, err == nil, "%v\n%s", err, log.String())
	return ended
}

// deadLetters returns the histories of the dead letters.
func (l *CrashLoop) deadLetters(t testing.TB) map[string][]inbox.Attempt {
	t.Helper()
	dead := make(map[string][]inbox.Attempt)
	for _, e := range inboxkit.DeadLetters(t, l.inbox) {
		dead[e.Delivery.ID] = slices.Clone(e.Attempts)
	}
	return dead
}
