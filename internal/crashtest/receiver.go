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
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
)

// envListen says where a receiver listens.
const envListen = "TORTURE_LISTEN"

// A Receiver is what a process of a [Fleet] does, but for the engine.
type Receiver struct {
	// Options are those of the handlers. The inbox is to be among them.
	Options webhook.Options

	// Inbox is what runs the deliveries.
	Inbox inbox.Inbox

	// Effect writes the name down in a table of the program's own and completes the delivery whose callback runs under ctx,
	// in one transaction. If it is given an error, it breaks off with that in between, and has done nothing.
	Effect func(ctx context.Context, name string, wrong error) error

	// Close closes the inbox, once nothing is asked of it any more.
	Close func() error

	names   sync.Map // of deliveries, by vendor and id
	running sync.Map // names of those whose callback runs
}

// shutdownTimeout is how long each step of the end may take, also on a machine that is busy.
const shutdownTimeout = time.Minute

// Serve serves and runs deliveries until a SIGTERM, and then ends in the order that the documentation of inbox gives. At a
// SIGUSR1 it shuts the handlers down ahead of time: then it goes on to take deliveries and runs none.
func (r *Receiver) Serve() error {
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	var handlers []vendortest.Handler
	var hooks []inbox.Handler
	for _, v := range allvendors.All() {
		o := r.Options
		o.Observer = r.observe
		o.Logger = slog.New(slog.DiscardHandler) // callbacks fail all the time
		h, err := build(&v, &o)
		if err != nil {
			return err
		}
		h.OnEvent(r.callback)
		mux.Handle("/webhooks/"+v.Name+"/", h)
		handlers = append(handlers, h)
		hooks = append(hooks, h.(inbox.Handler)) //nolint:forcetypeassert // every vendor's handler is one
	}
	running, end := context.WithCancel(context.Background())
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- r.Inbox.Run(running, hooks...) }()

	listener, err := new(net.ListenConfig).Listen(told, "tcp", os.Getenv(envListen))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: shutdownTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	early := make(chan os.Signal, 1)
	signal.Notify(early, syscall.SIGUSR1)
	go func() {
		<-early
		_ = shutDown(context.Background(), handlers)
	}()
	fmt.Println(listening)
	select {
	case err := <-served:
		return err
	case err := <-ran:
		return fmt.Errorf("the inbox does not run any more: %w", err)
	case <-told.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	err = errors.Join(err, shutDown(ctx, handlers))
	end()
	return errors.Join(err, <-ran, r.Close())
}

// build builds a vendor's handler. That asks the inbox, whose server may have been killed a moment ago: then it is tried
// again, as the process would be started again.
func build(v *allvendors.Vendor, o *webhook.Options) (h vendortest.Handler, err error) {
	for deadline := time.Now().Add(slow); ; time.Sleep(20 * time.Millisecond) {
		if h, err = v.New(o); err == nil || time.Now().After(deadline) {
			return h, err
		}
	}
}

func shutDown(ctx context.Context, handlers []vendortest.Handler) (err error) {
	for _, h := range handlers {
		err = errors.Join(err, h.Shutdown(ctx))
	}
	return err
}

// say writes a line in one call, so that it is said or not, whenever the process is killed.
func say(verb, name string) {
	_, _ = fmt.Fprintf(os.Stdout, "%s %s %d\n", verb, name, time.Now().UnixNano())
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
		say(overlaps, name)
	}
	say(runs, name)
	fine := false
	defer func() {
		if !fine {
			say(failed, name)
		}
		r.running.Delete(name)
	}()
	if err := r.work(ctx, name, d.Attempt); err != nil {
		return err
	}
	say(returned, name)
	fine = true
	return nil
}

// observe says when the completion of a delivery has become durable.
func (r *Receiver) observe(_ context.Context, o webhook.Observation) {
	name, known := r.names.Load(o.Vendor + o.ID)
	switch {
	case !known:
	case o.Outcome == webhook.Handled:
		say(completed, name.(string)) //nolint:forcetypeassert // see callback
	case o.Reason == webhook.ReasonStore:
		say(unmarked, name.(string)) //nolint:forcetypeassert // see callback
	}
}
