//go:build unix

package crashtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// A Process is a running receiver.
type Process struct {
	cmd        *exec.Cmd
	killed     atomic.Bool // with SIGKILL
	terminated atomic.Bool // with SIGTERM
	ready      chan struct{}
	ended      chan struct{} // the process has exited, and its output has been read
	err        error         // of Wait; valid once ended is closed
	log        lockedBuffer
	events     *EventLog
}

// start starts a process. It does not wait until the process listens.
func start(cmd *exec.Cmd, events *EventLog) (*Process, error) {
	p := &Process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{}), events: events}
	cmd.Stderr = &p.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := kit.Start(cmd); err != nil {
		return nil, err
	}
	go p.read(stdout)
	return p, nil
}

func (p *Process) read(stdout io.Reader) {
	defer close(p.ended)
	for s := bufio.NewScanner(stdout); s.Scan(); {
		if s.Text() == listening {
			close(p.ready)
			continue
		}
		p.events.add(p, s.Text())
	}
	p.err = p.cmd.Wait()
}

// String returns the process id, and how the process ended.
func (p *Process) String() string {
	switch {
	case p.killed.Load():
		return fmt.Sprintf("%d, killed", p.cmd.Process.Pid)
	case p.terminated.Load():
		return fmt.Sprintf("%d, ended", p.cmd.Process.Pid)
	default:
		return strconv.Itoa(p.cmd.Process.Pid)
	}
}

// awaitReady waits until the process listens.
func (p *Process) awaitReady() error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("the receiver exited before it listened: %w: %s", p.err, p.log.String())
	case <-time.After(kit.Patience):
		return errors.New("the receiver does not listen")
	}
}

// kill ends the process with SIGKILL, and waits for it. A process that was terminated may have exited before.
func (p *Process) kill() {
	select {
	case <-p.ended:
		return
	default:
	}
	p.killed.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && !status.Signaled() {
		p.killed.Store(false)
	}
}

// terminate sends SIGTERM.
func (p *Process) terminate() {
	p.terminated.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
}

// end sends SIGTERM, and waits until the process has exited.
func (p *Process) end() error {
	p.terminate()
	select {
	case <-p.ended:
		return p.failure()
	case <-time.After(kit.Patience):
		return errors.New("the receiver does not exit after SIGTERM")
	}
}

// failure returns an error if a process that has ended has failed.
func (p *Process) failure() error {
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if bytes.Contains(p.log.bytes(), []byte(sign)) {
			return fmt.Errorf("a receiver logged %q: %s", sign, p.log.String())
		}
	}
	switch {
	case p.killed.Load() || p.err == nil && p.terminated.Load():
		return nil
	case p.terminated.Load():
		return fmt.Errorf("a receiver failed after SIGTERM: %w: %s", p.err, p.log.String())
	default:
		return fmt.Errorf("a receiver exited by itself: %w: %s", p.err, p.log.String())
	}
}

// A lockedBuffer keeps the first maxLog bytes of a process's output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const maxLog = 1 << 20

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() < maxLog {
		_, _ = b.b.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

func (b *lockedBuffer) String() string { return string(b.bytes()) }
