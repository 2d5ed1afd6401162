// Quickstart starts a receiver for all four vendors on a free port of the loopback interface, plays every vendor's
// payloads to it as the vendor would send them, and then everything that goes wrong with webhooks. It prints what
// was sent, how it was answered and what the callback saw, and exits with 0 if all of it is as the contract says.
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

// maxBody is small so that it is quickly passed.
const maxBody = 64 << 10

func main() {
	failed, err := play(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
	if failed > 0 {
		fmt.Fprintf(os.Stderr, "quickstart: %d rows are not what the contract says\n", failed)
		os.Exit(1)
	}
}

// play runs everything and returns how many rows are wrong.
func play(out io.Writer) (failed int, err error) {
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
		s := newStage(v, hook, "http://"+listener.Addr().String())
		if err := s.playAll(table); err != nil {
			return 0, fmt.Errorf("%s: %w", v.profile.Name, err)
		}
	}
	return table.close()
}
