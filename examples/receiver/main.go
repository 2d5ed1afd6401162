// Receiver is a service that receives the webhooks of all four vendors and prints what it is called back with, one
// JSON line for each callback, on standard output. Its log goes to standard error. It is set up by the environment:
//
//	ADDR                        where to listen; 127.0.0.1:8080 by default
//	GREENFLASH_WEBHOOK_SECRET   signing secrets, comma-separated while they are rotated;
//	CONVOSPHERE_WEBHOOK_SECRET  a vendor without one is not mounted
//	WORKFLUX_WEBHOOK_SECRET
//	EMBERQA_WEBHOOK_TOKEN       the token at the end of /webhooks/emberqa/
//	STORE                       what remembers deliveries: memory, sqlite:PATH, postgres://… or redis://…; by default the
//	                            inbox's own store, or memory if there is no inbox
//	INBOX                       what stores deliveries before they are answered, and has them called back later: sqlite:PATH;
//	                            river:postgres://… for several receivers on one database, where the tables are made if they are
//	                            missing; or jetstream:nats://HOST:PORT, for a single server with ?server_syncs_always=true, and a
//	                            STORE elsewhere; by default nothing does, and the callback runs while the sender waits
//	OLD_INBOX                   an inbox that nothing is stored in any more, and that is still worked off, named in the same way
//	MAX_BODY                    the largest body, in bytes
//	FAIL_FIRST                  for how many times the callback fails for each id
//	HANDLER_DELAY               how long the callback takes, for instance 2s
//
// On SIGTERM or an interrupt it stops listening, lets requests and callbacks finish, and exits with 0.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// shutdownTimeout is how long the whole shutdown may take, but for a second or two. Kubernetes gives 30 s.
const shutdownTimeout = 25 * time.Second

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout, logger); err != nil {
		logger.Error("receiver", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, stdout *os.File, logger *slog.Logger) (err error) {
	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	options := &webhook.Options{Logger: logger, MaxBody: c.maxBody}
	closeStore, err := openStore(ctx, c, options)
	if err != nil {
		return fmt.Errorf("STORE: %w", err)
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	box, err := openInbox(ctx, c.inbox, options)
	if err != nil {
		return fmt.Errorf("INBOX: %w", err)
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	oldBox, err := openInbox(ctx, c.oldInbox, options)
	if err != nil {
		return fmt.Errorf("OLD_INBOX: %w", err)
	}
	defer func() { err = errors.Join(err, oldBox.Close()) }()
	if box.Inbox != nil { // an interface that holds nothing would be an inbox
		options.Inbox = box.Inbox
	}
	out := json.NewEncoder(stdout)
	mux, hooks, err := mount(c, options, &printer{out: out, failFirst: c.failFirst, delay: c.delay})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	if err := out.Encode(map[string]string{"listening": listener.Addr().String()}); err != nil {
		return err
	}

	server := webhook.NewServer("", mux)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	box.start(hooks, logger)
	oldBox.start(hooks, logger)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	// The order matters: first no new requests, then no running callbacks, then the inboxes, and then, by the deferred
	// calls, what they and the store have open. All of them share one deadline.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(drain), shutDown(drain, hooks), box.shutDown(drain), oldBox.shutDown(drain))
}

// shutDown shuts the handlers down at once: one after the other, the last would have no time left.
func shutDown(ctx context.Context, hooks []*webhook.Handler) error {
	errs := make([]error, len(hooks))
	var all sync.WaitGroup
	for i, hook := range hooks {
		all.Go(func() { errs[i] = hook.Shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}
