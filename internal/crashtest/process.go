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
)

// A Process is a receiver.
type Process struct {
	cmd     *exec.Cmd
	killed  atomic.Bool // by SIGKILL
	told    atomic.Bool // by SIGTERM, to end
	ready   chan struct{}
	ended   chan struct{} // what it has said has been read as well
	err     error         // of Wait; to be read once ended is closed
	log     lockedBuffer
	journal *Journal
}

// start starts a process. It does not wait until it listens.
func start(cmd *exec.Cmd, j *Journal) (*Process, error) {
	p := &Process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{}), journal: j}
	cmd.Stderr = &p.log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := Start(cmd); err != nil {
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
		p.journal.add(p, s.Text())
	}
	p.err = p.cmd.Wait()
}

// String returns its number, and how it was ended.
func (p *Process) String() string {
	switch {
	case p.killed.Load():
		return fmt.Sprintf("%d, killed", p.cmd.Process.Pid)
	case p.told.Load():
		return fmt.Sprintf("%d, ended", p.cmd.Process.Pid)
	default:
		return strconv.Itoa(p.cmd.Process.Pid)
	}
}

const slow = 2 * time.Minute // what takes longer hangs, also on a machine that is busy

// awaitReady waits until it listens.
func (p *Process) awaitReady() error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("the receiver ended before it listened: %w: %s", p.err, p.log.String())
	case <-time.After(slow):
		return errors.New("the receiver does not listen")
	}
}

// kill ends it with SIGKILL. What was told to end may have ended meanwhile.
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

// tell asks it to end.
func (p *Process) tell() {
	p.told.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
}

// end asks it to end, and waits until it has.
func (p *Process) end() error {
	p.tell()
	select {
	case <-p.ended:
		return p.trouble()
	case <-time.After(slow):
		return errors.New("the receiver does not end after a SIGTERM")
	}
}

// trouble says what there was to complain of in a process that has ended.
func (p *Process) trouble() error {
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if bytes.Contains(p.log.bytes(), []byte(sign)) {
			return fmt.Errorf("a receiver's log says %q: %s", sign, p.log.String())
		}
	}
	switch {
	case p.killed.Load() || p.err == nil && p.told.Load():
		return nil
	case p.told.Load():
		return fmt.Errorf("a receiver ended badly after a SIGTERM: %w: %s", p.err, p.log.String())
	default:
		return fmt.Errorf("a receiver ended by itself: %w: %s", p.err, p.log.String())
	}
}

// A lockedBuffer is what a process has written, as far as that can be of interest.
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
