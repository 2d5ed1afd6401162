// Receiver receives the webhooks of all four vendors, and of one sender of Standard Webhooks. It prints one JSON line to standard
// output for each callback, and logs to standard error. Environment variables configure it:
//
//	ADDR                        the address to listen on (default 127.0.0.1:8080)
//	GREENFLASH_WEBHOOK_SECRET   the signing secrets, comma-separated during a rotation;
//	CONVOSPHERE_WEBHOOK_SECRET  a vendor without a secret is not mounted
//	WORKFLUX_WEBHOOK_SECRET
//	STANDARDWEBHOOKS_SECRET     the same for a sender of Standard Webhooks: whsec_… or whpk_…
//	EMBERQA_WEBHOOK_TOKEN       the token at the end of /webhooks/emberqa/
//	STORE                       the idempotency store: memory, sqlite:PATH, postgres://… or redis://… (default: the store of the
//	                            inbox, or memory without an inbox)
//	INBOX                       the inbox, which stores deliveries and runs callbacks after the response:
//	                              sqlite:PATH
//	                              river:postgres://…, for several receivers; missing tables are created
//	                              jetstream:nats://HOST:PORT, with a STORE; a single server needs ?server_syncs_always=true
//	                            (default: none, so the callback runs before the response)
//	OLD_INBOX                   an inbox that gets no new deliveries but is still run, for a move to another inbox
//	METRICS_ADDR                the address of /metrics (Prometheus), /livez and /readyz, such as 127.0.0.1:9464 (default: none)
//	OTEL_EXPORTER_OTLP_ENDPOINT where to send traces, by OTLP over HTTP (default: none)
//	SILENT_AFTER                the time without an accepted delivery that is an alarm, such as 72h (default: none)
//	MAX_BODY                    the maximum size of a body, in bytes
//	FAIL_FIRST                  how many times the callback fails for each id
//	HANDLER_DELAY               how long the callback takes, such as 2s
//
// On SIGTERM or an interrupt, it stops listening, waits for requests and callbacks, and exits with 0.
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

// shutdownTimeout is the time for the whole shutdown. It may take up to two seconds longer. Kubernetes waits for 30 s.
const shutdownTimeout = 25 * time.Second

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout, logger); err != nil {
		logger.Error("the receiver failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, stdout *os.File, logger *slog.Logger) (err error) {
	c, err := readConfig(getenv)
	if err != nil {
		return err
	}
	telemetry, err := newTelemetry(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, telemetry.Close()) }()
	options := &webhook.Options{Logger: logger, MaxBody: c.maxBody, SilentAfter: c.silentAfter}
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
	if box.Inbox != nil { // a nil pointer in the interface would count as an inbox
		options.Inbox = box.Inbox
	}
	out := json.NewEncoder(stdout)
	telemetry.watch("inbox", box)
	telemetry.watch("old inbox", oldBox)
	mux, hooks, err := mount(c, telemetry, options, &printer{out: out, failFirst: c.failFirst, delay: c.delay})
	if err != nil {
		return err
	}
	metricsAddr, closeMetrics, err := telemetry.serve(c.metricsAddr, hooks)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	addresses := map[string]string{"listening": listener.Addr().String()}
	if metricsAddr != "" {
		addresses["metrics"] = metricsAddr
	}
	if err := out.Encode(addresses); err != nil {
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

	// The order matters. Stop requests first, then callbacks, then the inboxes, and then the metrics and probes. The deferred calls then close the inboxes and the
	// store. All steps share one deadline.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(drain), shutDown(drain, hooks), box.shutDown(drain), oldBox.shutDown(drain), closeMetrics(drain))
}

// shutDown shuts down the handlers concurrently. If they ran one after the other, the last could have no time left.
func shutDown(ctx context.Context, hooks []*webhook.Handler) error {
	errs := make([]error, len(hooks))
	var all sync.WaitGroup
	for i, hook := range hooks {
		all.Go(func() { errs[i] = hook.Shutdown(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}
