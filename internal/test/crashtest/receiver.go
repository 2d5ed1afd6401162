//go:build unix

package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

// envListen names the environment variable with the address of a receiver.
const envListen = "CRASHTEST_LISTEN"

// A Receiver is a process of a [Fleet], without the engine.
type Receiver struct {
	// Options are the options of the handlers, with the inbox.
	Options webhook.Options

	// Inbox runs the deliveries.
	Inbox inbox.Inbox

	// Effect writes the name to the test's table, and completes the delivery whose callback runs under ctx, in one
	// transaction. If wrong is an error, Effect returns it before the commit, and rolls back.
	Effect func(ctx context.Context, name string, wrong error) error

	// Close closes the inbox after its last use.
	Close func() error

	names   sync.Map // of deliveries, by vendor and id
	running sync.Map // names of deliveries whose callback runs
}

// Policy returns the policy of an inbox in a receiver. Callbacks fail often, and none may become a dead letter.
func Policy() inbox.Policy {
	return inbox.Policy{
		MaxAttempts:  1000,
		Backoff:      func(n int) time.Duration { return time.Duration(min(n, 20)) * 10 * time.Millisecond },
		DrainTimeout: 5 * time.Second,
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// shutdownTimeout is the timeout of each shutdown step, also on a busy machine.
const shutdownTimeout = time.Minute

// Serve receives and runs deliveries until SIGTERM, and then shuts down in the documented order of package inbox. On
// SIGUSR1 it shuts the handlers down early: it then continues to receive deliveries, and runs none.
func (r *Receiver) Serve() error {
	terminating, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	var handlers []webhook.VendorHandler
	var hooks []inbox.Handler
	for _, v := range vendortest.All() {
		o := r.Options
		o.Observer = r.observe
		o.Logger = slog.New(slog.DiscardHandler) // callbacks fail on purpose
		h, err := build(v, &o)
		if err != nil {
			return err
		}
		h.OnEvent(r.callback)
		mux.Handle("/webhooks/"+v.Name()+"/", h)
		handlers = append(handlers, h)
		hooks = append(hooks, h.(inbox.Handler)) //nolint:forcetypeassert // every vendor's handler is one
	}
	running, end := context.WithCancel(context.Background())
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- r.Inbox.Run(running, hooks...) }()

	listener, err := new(net.ListenConfig).Listen(terminating, "tcp", os.Getenv(envListen))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: shutdownTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	shutDownFirst := make(chan os.Signal, 1)
	signal.Notify(shutDownFirst, syscall.SIGUSR1)
	go func() {
		<-shutDownFirst
		_ = shutDown(context.Background(), handlers)
	}()
	fmt.Println(listening)
	select {
	case err := <-served:
		return err
	case err := <-ran:
		return fmt.Errorf("the inbox's Run returned early: %w", err)
	case <-terminating.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	err = errors.Join(err, shutDown(ctx, handlers))
	end()
	return errors.Join(err, <-ran, r.Close())
}

// build creates a vendor's handler. The inbox queries its server, which may have been killed a moment ago. Then build
// retries, like a supervisor that restarts the process.
func build(v *vendortest.Kit, o *webhook.Options) (h webhook.VendorHandler, err error) {
	for deadline := time.Now().Add(kit.Patience); ; time.Sleep(20 * time.Millisecond) {
		if h, err = v.New(o); err == nil || time.Now().After(deadline) {
			return h, err
		}
	}
}

func shutDown(ctx context.Context, handlers []webhook.VendorHandler) (err error) {
	for _, h := range handlers {
		err = errors.Join(err, h.Shutdown(ctx))
	}
	return err
}

// emit writes an event in one call, so that a kill cannot cut it.
func emit(kind, name string) {
	_, _ = fmt.Fprintf(os.Stdout, "%s %s %d\n", kind, name, time.Now().UnixNano())
}

func (r *Receiver) callback(ctx context.Context, e webhook.AnyEvent) (err error) {
	d := e.Delivery()
	var body struct{ Torture string }
	if err := json.Unmarshal(d.Body, &body); err != nil || body.Torture == "" {
		return webhook.Permanent(fmt.Errorf("the body is not what was sent: %w", err))
	}
	name := body.Torture
	r.names.Store(d.Vendor+d.ID, name)
	if _, twice := r.running.LoadOrStore(name, true); twice {
		emit(overlaps, name)
	}
	emit(runs, name)
	succeeded := false
	defer func() {
		if !succeeded {
			emit(failed, name)
		}
		r.running.Delete(name)
	}()
	if err := r.runWithFaults(ctx, name, d.Attempt); err != nil {
		return err
	}
	emit(returned, name)
	succeeded = true
	return nil
}

// observe emits an event when the completion of a delivery is durable.
func (r *Receiver) observe(_ context.Context, o webhook.Observation) {
	name, known := r.names.Load(o.Vendor + o.ID)
	switch {
	case !known:
	case o.Outcome == webhook.Handled && o.Reason == webhook.ReasonNone:
		emit(completed, name.(string)) //nolint:forcetypeassert // see callback
	case o.Outcome == webhook.Handled: // completing the key failed
		emit(notMarked, name.(string)) //nolint:forcetypeassert // see callback
	}
}
