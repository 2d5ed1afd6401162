package riverinbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

// A queue is one that River's client works for the Runs of this process.
type queue struct {
	name     string
	runs     []*run
	stopping bool // River waits for its callbacks to return
}

// A run is the state of one call of Run.
type run struct {
	inbox      *Inbox
	dispatcher *engine.Dispatcher
	handlers   map[string]inbox.Handler // by the names of the queues that River works; only for Run's goroutine
	over       chan struct{}

	mu     sync.RWMutex // held while a callback is started
	ended  bool
	leases map[lease]time.Time // when the leases of the callbacks that run were renewed
}

// Run implements [inbox.Inbox]. River works the deliveries while its client is started; before that, Run waits. When Run
// returns, River may not yet have written the results of the last callbacks. Stop the client next, which waits for them.
func (b *Inbox) Run(ctx context.Context, handlers ...inbox.Handler) error {
	client := b.client.Load()
	switch {
	case client == nil:
		return errNoClient
	case b.attached:
		return errAttached
	}
	dispatcher, end, err := b.active.Begin(ctx, b.options.Policy, handlers...)
	if err != nil {
		return err
	}
	defer end()
	ctx = dispatcher.Context()
	r := &run{inbox: b, dispatcher: dispatcher, over: make(chan struct{}), leases: make(map[lease]time.Time)}
	renewing, drained := context.WithCancel(context.WithoutCancel(ctx))
	defer drained()
	var renewers sync.WaitGroup
	renewers.Go(func() { r.renewLoop(renewing) })
	b.listen(client)
	r.handlers = r.current()
	for name, h := range r.handlers {
		if err = b.join(ctx, client, r, name, h); err != nil {
			break
		}
	}
	if err == nil {
		r.maintain(ctx, client)
	}
	r.end()
	left := b.leave(client, r, nil)
	errDrain := dispatcher.Drain()
	drained()
	renewers.Wait()
	timeout := removeTimeout
	if dispatcher.Until().Err() != nil {
		timeout = dispatcher.Grace()
	}
	b.remove(client, left, timeout)
	return errors.Join(err, errDrain)
}

// current returns the Run's handlers by the names of their queues.
func (r *run) current() map[string]inbox.Handler {
	handlers := make(map[string]inbox.Handler)
	for _, h := range r.dispatcher.Handlers() {
		handlers[queueOf(h.Vendor(), h.Endpoint())] = h
	}
	return handlers
}

// follow makes River work the queues of added handlers, and stop the queues of removed ones. The next call retries what
// failed.
func (r *run) follow(client *Client) error {
	current := r.current()
	for name := range r.handlers {
		if current[name] == nil {
			r.inbox.leave(client, r, []string{name})
			delete(r.handlers, name)
		}
	}
	var errs []error
	for name, h := range current {
		if r.handlers[name] == nil {
			if err := r.inbox.add(client, r, name, h); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		r.handlers[name] = h
	}
	return errors.Join(errs...)
}

// Add implements [inbox.Inbox].
func (b *Inbox) Add(handlers ...inbox.Handler) error { return b.active.Add(handlers...) }

// Remove implements [inbox.Inbox].
func (b *Inbox) Remove(handlers ...inbox.Handler) { b.active.Remove(handlers...) }

// Shutdown implements [inbox.Inbox]. When it returns, River may not yet have written the results of the last callbacks.
// Stop the client next, which waits for them, and then call Close.
func (b *Inbox) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.until = ctx
	b.mu.Unlock()
	return b.active.Shutdown(ctx)
}

// end prevents further callbacks from starting.
func (r *run) end() {
	close(r.over)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// joinPause is how long a Run waits before it asks River again to work a queue.
const joinPause = time.Second

// join makes the client work a queue for a Run, and retries until it does. It returns nil if ctx ends.
func (b *Inbox) join(ctx context.Context, client *Client, r *run, name string, h inbox.Handler) error {
	for ctx.Err() == nil {
		err := b.primary.do(func() error { return b.add(client, r, name, h) }) // maintain, which checks the server, begins later
		if err == nil || errors.Is(err, errStuck) {
			return err
		}
		b.options.Policy.Logger.Error("inbox: River does not work a queue yet; retrying", "queue", name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(joinPause):
		}
	}
	return nil
}

var errStuck = errors.New("riverinbox: callbacks of an earlier Run have not returned, so this process runs no more deliveries of their endpoint")

func (b *Inbox) add(client *Client, r *run, name string, h inbox.Handler) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	q := b.queues[name]
	b.mu.RUnlock()
	if q != nil && q.stopping {
		if !b.removed(client, name, time.Second) {
			return fmt.Errorf("%w: %s/%s", errStuck, h.Vendor(), h.Endpoint())
		}
		q = nil
	}
	// Work looks the queue up, so it must be in the map before River works it.
	b.mu.Lock()
	if q == nil {
		q = &queue{name: name}
		b.queues[name] = q
	}
	q.runs = append(q.runs, r)
	first := len(q.runs) == 1
	b.mu.Unlock()
	if !first {
		return nil
	}
	err := client.Queues().Add(name, b.queueConfig(h))
	if err == nil {
		return nil
	}
	// Add has registered the queue although it failed. Its producer has stopped, so this does not wait; with a context that
	// has ended, Remove could leave it there, and River would never work the queue.
	b.removed(client, name, time.Second)
	b.mu.Lock()
	delete(b.queues, name)
	b.mu.Unlock()
	return err
}

func (b *Inbox) queueConfig(h inbox.Handler) river.QueueConfig {
	p := b.options.Policy
	workers := p.Concurrency
	for _, name := range []string{h.Vendor(), h.Vendor() + "/" + h.Endpoint()} {
		if limit, ok := p.Limits[name]; ok {
			workers = min(workers, limit)
		}
	}
	poll := b.options.Poll
	if !b.pollOnly {
		poll = max(poll, idlePoll) // announce polls more often
	}
	return river.QueueConfig{MaxWorkers: workers, FetchCooldown: b.options.FetchCooldown, FetchPollInterval: poll}
}

// leave removes a Run from the named queues, or from all queues if names is nil. River begins to stop the queues without
// a Run. leave returns their names.
func (b *Inbox) leave(client *Client, r *run, names []string) (left []string) {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.Lock()
	for name, q := range b.queues {
		if names != nil && !slices.Contains(names, name) {
			continue
		}
		n := len(q.runs)
		q.runs = slices.DeleteFunc(slices.Clone(q.runs), func(other *run) bool { return other == r })
		if len(q.runs) == 0 && n > 0 {
			q.stopping = true
			left = append(left, name)
		}
	}
	b.mu.Unlock()
	for _, name := range left {
		b.removed(client, name, 0)
	}
	return left
}

// removeTimeout is how long Run waits for River after all callbacks have returned.
const removeTimeout = 2 * time.Second

// remove waits until River has stopped working the queues.
func (b *Inbox) remove(client *Client, names []string, timeout time.Duration) {
	b.changing.Lock()
	defer b.changing.Unlock()
	deadline := time.Now().Add(timeout)
	for _, name := range names {
		if !b.removed(client, name, time.Until(deadline)) {
			continue // add retries if there is another Run
		}
		b.mu.Lock()
		delete(b.queues, name)
		b.mu.Unlock()
	}
}

// removed makes River stop working a queue, and reports whether River has stopped within the time. After that, River
// goes on stopping.
func (b *Inbox) removed(client *Client, name string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := client.Queues().Remove(ctx, name)
	return err == nil || errors.Is(err, &river.QueueNotFoundError{})
}
