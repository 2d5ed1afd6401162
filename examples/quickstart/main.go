// Quickstart starts a receiver for all four vendors on a free port of the loopback interface. It sends every vendor's payloads to
// the receiver, as the vendor does, and then the usual failures. It prints each delivery, the status of the response and the calls of
// the callback. It exits with 0 if all of them are as the contract says.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/aihooks/aihooks-go/webhook"
)

// maxBody is small, so that the example can exceed it cheaply.
const maxBody = 64 << 10

func main() {
	failed, err := run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
	if failed > 0 {
		fmt.Fprintf(os.Stderr, "quickstart: %d rows do not match the contract\n", failed)
		os.Exit(1)
	}
}

// run runs all cases and returns the number of wrong rows.
func run(out io.Writer) (failed int, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	mux := http.NewServeMux()
	server := webhook.NewServer("", mux)
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	options := &webhook.Options{Logger: slog.New(slog.DiscardHandler), MaxBody: maxBody}
	table := newTable(out)
	for _, v := range allVendors() {
		hook, err := v.mount(mux, options)
		if err != nil {
			return 0, err
		}
		h := newHarness(v, hook, "http://"+listener.Addr().String())
		if err := h.runAll(table); err != nil {
			return 0, fmt.Errorf("%s: %w", v.profile.Name, err)
		}
	}
	return table.close()
}
