package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// onCore returns the command that runs this program on one core, or on all of them if core is negative.
func onCore(core int, args ...string) *exec.Cmd {
	self, err := os.Executable()
	fail(err)
	if core >= 0 {
		args, self = append([]string{"-c", strconv.Itoa(core), self}, args...), "taskset"
	}
	return exec.Command(self, args...)
}

// A server is a server process.
type server struct {
	*exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
}

func startServer(name string, core int) (*server, error) {
	s := &server{Cmd: onCore(core, "-serve", name, "-profiles", *profiles)}
	var err error
	if s.in, err = s.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.Start(); err != nil {
		return nil, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server %q did not start: %w", name, err)
	}
	s.addr = line[:len(line)-1]
	return s, nil
}

func (s *server) usage() (u usage, err error) {
	if _, err := fmt.Fprintln(s.in); err != nil {
		return u, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(line, &u)
}

func (s *server) stop() error {
	return errors.Join(s.in.Close(), s.Wait())
}

// send sends a load from another process.
func (l load) sendFrom(core int) (r loaded, err error) {
	cmd := onCore(core, "-load", l.Addr, "-size", strconv.Itoa(l.Size), "-for", l.For.String())
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("the client: %w: %s", err, stderrOf(err))
	}
	return r, json.Unmarshal(out, &r)
}

func stderrOf(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}

// socket measures handlers over loopback, with the server and the client as two processes.
func socket() ([]*comparison, error) {
	var all []*comparison
	for _, where := range []struct {
		name           string
		server, client int
	}{{"server on one core", 0, 1}, {fmt.Sprintf("both on %d cores", runtime.NumCPU()), -1, -1}} {
		for _, size := range []int{512, 4 << 10} {
			for _, names := range [][]string{{competent, empty, best, ours, oursFast, oursOtel}, {sqliteByHand, sqliteOurs}} {
				c := &comparison{name: where.name + ", " + bytesText(size), units: []string{"requests/s", "CPU us", "p99.9 ms", "slowest ms"}}
				if err := c.measureServers(names, size, where.server, where.client); err != nil {
					return nil, err
				}
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func (c *comparison) measureServers(names []string, size, serverCore, clientCore int) error {
	for _, name := range names {
		s, err := startServer(name, serverCore)
		if err != nil {
			return err
		}
		defer func() { _ = s.stop() }()
		c.add(name, func() ([]float64, error) {
			before, err := s.usage()
			if err != nil {
				return nil, err
			}
			r, err := load{Addr: s.addr, Size: size, For: slice}.sendFrom(clientCore)
			switch {
			case err != nil:
				return nil, err
			case r.Refused > 0:
				return nil, fmt.Errorf("%d of %d genuine deliveries were refused", r.Refused, r.Requests)
			}
			after, err := s.usage()
			n := float64(r.Requests)
			return []float64{n / r.Seconds, float64(after.CPU-before.CPU) / n / 1e3, ms(r.P999), ms(r.Max)}, err
		})
	}
	return c.measure()
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func bytesText(n int) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
