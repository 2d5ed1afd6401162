package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// An attack is what an unauthenticated sender does on each connection until the time end.
type attack struct {
	name        string
	connections int
	do          func(addr string, end time.Time) error
}

var attacks = []attack{
	{"nothing", 0, nil},
	{"forged", 64, sendForged},
	{"oversized", 64, sendOversized},
	{"slow", 600, sendSlowly},
}

var wrongSignature = []byte(strings.Repeat("0", 64))

// attackFrom attacks an address from this process.
func attackFrom(name, addr string, d time.Duration) {
	for _, a := range attacks {
		if a.name != name {
			continue
		}
		var all sync.WaitGroup
		end := time.Now().Add(d)
		for range a.connections {
			all.Go(func() {
				for time.Now().Before(end) {
					_ = a.do(addr, end) // the server may close the connection
				}
			})
		}
		all.Wait()
	}
}

// sendForged sends deliveries of 4 KiB with a wrong signature.
func sendForged(addr string, end time.Time) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	s, responses := newSender(template(4<<10)), bufio.NewReader(conn)
	body, _ := s.next(rand.Uint64())
	request := append(appendHead(nil, addr, wrongSignature, len(body)), body...)
	for time.Now().Before(end) {
		status, err := exchangeOn(conn, responses, request)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			return errors.New("a forgery was accepted")
		}
	}
	return nil
}

// sendOversized sends 2 MiB on a new connection.
func sendOversized(addr string, _ time.Time) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(appendHead(nil, addr, wrongSignature, 2<<20)); err != nil {
		return err
	}
	_, err = conn.Write(make([]byte, 2<<20))
	return err
}

// sendSlowly sends one byte each second.
func sendSlowly(addr string, end time.Time) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(appendHead(nil, addr, wrongSignature, 1<<20)); err != nil {
		return err
	}
	for time.Now().Before(end) {
		if _, err := conn.Write([]byte(" ")); err != nil {
			return err
		}
		time.Sleep(time.Second)
	}
	return nil
}

// hostile measures genuine deliveries next to an attack, with the server on one core and both senders on another.
func hostile() ([]*comparison, error) {
	var all []*comparison
	for _, a := range attacks {
		c := &comparison{name: a.name, units: []string{"genuine/s", "refused %", "p99.9 ms", "MiB", "log lines"}}
		for _, name := range []string{competent, ours} {
			c.add(name, func() ([]float64, error) {
				s, err := startServer(name, 0)
				if err != nil {
					return nil, err
				}
				defer func() { _ = s.stop() }()
				attacker := onCore(1, "-attack", a.name, "-load", s.addr, "-for", (2 * slice).String())
				if err := attacker.Start(); err != nil {
					return nil, err
				}
				defer stopProcess(attacker)
				time.Sleep(slice / 2) // the attack must have begun
				r, err := load{Addr: s.addr, Size: 512, For: slice}.sendFrom(1)
				if err != nil {
					return nil, err
				}
				u, err := s.usage()
				return []float64{
					float64(r.Requests-r.Refused) / r.Seconds, 100 * float64(r.Refused) / float64(r.Requests), ms(r.P999),
					float64(u.Heap) / (1 << 20), float64(u.Lines),
				}, err
			})
		}
		if err := c.measure(); err != nil {
			return nil, fmt.Errorf("hostile: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

func stopProcess(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
