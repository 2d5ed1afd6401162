package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// usage is what a server process has used so far.
type usage struct {
	CPU   time.Duration
	Heap  uint64 // bytes of memory from the system
	Lines int64  // of log
}

// serve is the server process: it prints its address, and then its usage for each line on standard input.
func serve(name string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var lines atomic.Int64
	h, err := newHandler(name, dir, &lines)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if *profiles != "" {
		file, err := os.Create(filepath.Join(*profiles, strings.ReplaceAll(name, " ", "-")+".pprof"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println(listener.Addr())
	go func() { fail(webhook.NewServer("", h).Serve(listener)) }()
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			return err
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u := usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Heap: m.Sys - m.HeapReleased, Lines: lines.Load()}
		if err := json.NewEncoder(os.Stdout).Encode(u); err != nil {
			return err
		}
	}
	return nil
}
