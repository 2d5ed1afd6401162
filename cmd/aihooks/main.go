// Aihooks sends, receives, explains and replays webhook deliveries of Greenflash, EmberQA, Convosphere and WorkFlux. It also checks
// deployments, and shows and manages SQLite inboxes. Run `aihooks help`.
//
// The module needs Go 1.26 or later, because modernc.org/sqlite does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills the process
	code := command.Run(ctx, command.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}, os.Args[1:])
	stop()
	os.Exit(code)
}
