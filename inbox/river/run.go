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
)

// A queue is one that River's client works for the Runs of this process.
type queue struct {
	name     string
	runs     []*run
	stopping bool // River waits for callbacks that do not return
}

// A run is one Run.
type run struct {
	inbox      *Inbox
	dispatcher *inbox.Dispatcher
	hooks      map[string]inbox.Hook // by the names of their queues
	over       chan struct{}

	mu    sync.RWMutex // is held while something is started
	ended bool
}

// Run implements [inbox.Inbox]. River works the deliveries while its client is started; before that Run waits. What came
// of the last callbacks may still be on its way to the database when Run returns: stop the client next, which waits
// for it.
func (b *Inbox) Run(ctx context.Context, hooks ...inbox.Hook) error {
	dispatcher, end, err := b.active.Begin(ctx, b.options.Policy, hooks...)
	if err != nil {
		return err
	}
	defer end()
	ctx = dispatcher.Context()
	client := b.client.Load()
	if client == nil {
		return errNoClient
	}
	r := &run{inbox: b, dispatcher: dispatcher, hooks: make(map[string]inbox.Hook, len(hooks)), over: make(chan struct{})}
	for _, h := range hooks {
		r.hooks[queueOf(h.Vendor(), h.Endpoint())] = h
	}
	b.listen(client)
	for name, h := range r.hooks {
		if err = b.join(ctx, client, r, name, h); err != nil {
			break
		}
	}
	if err == nil {
		r.tend(ctx, client)
	}
	r.end()
	left := b.leave(client, r)
	drained := dispatcher.Drain()
	patience := removePatience
	if dispatcher.Until().Err() != nil {
		patience = dispatcher.Grace()
	}
	b.remove(client, left, patience)
	return errors.Join(err, drained)
}

// Shutdown implements [inbox.Inbox]. The outcomes of the last callbacks may still be on their way to the database when it
// returns: stop the client next, which waits for them, and then call Close.
func (b *Inbox) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.until = ctx
	b.mu.Unlock()
	return b.active.Shutdown(ctx)
}

// end has nothing more started.
func (r *run) end() {
	close(r.over)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// joinPause is how long a Run waits before it asks a database again that was not there.
const joinPause = time.Second

// join has the client work a queue for a Run, as soon as it can. It returns nil as well when ctx has ended.
func (b *Inbox) join(ctx context.Context, client *Client, r *run, name string, h inbox.Hook) error {
	for ctx.Err() == nil {
		err := b.add(client, r, name, h)
		if err == nil || errors.Is(err, errStuck) {
			return err
		}
		b.options.Policy.Logger.Error("inbox: River does not work a queue yet; it is tried again", "queue", name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(joinPause):
		}
	}
	return nil
}

var errStuck = errors.New("riverinbox: callbacks of an earlier Run have not returned, so this process runs no more deliveries for their endpoint")

func (b *Inbox) add(client *Client, r *run, name string, h inbox.Hook) error {
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
	// It must be known before River works it.
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
	// River has it, although it does not work it.
	b.removed(client, name, 0)
	b.mu.Lock()
	delete(b.queues, name)
	b.mu.Unlock()
	return err
}

func (b *Inbox) queueConfig(h inbox.Hook) river.QueueConfig {
	p := b.options.Policy
	workers := p.Concurrency
	for _, name := range []string{h.Vendor(), h.Vendor() + "/" + h.Endpoint()} {
		if limit, ok := p.Limits[name]; ok {
			workers = min(workers, limit)
		}
	}
	return river.QueueConfig{MaxWorkers: workers, FetchCooldown: b.options.FetchCooldown, FetchPollInterval: b.options.Poll}
}

// leave takes a Run away from its queues, has River begin to stop those that nobody runs any more, and returns them.
func (b *Inbox) leave(client *Client, r *run) (left []string) {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.Lock()
	for name, q := range b.queues {
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

// removePatience is how long Run waits for River after all callbacks have returned.
const removePatience = 2 * time.Second

// remove waits until River has stopped working the queues.
func (b *Inbox) remove(client *Client, names []string, patience time.Duration) {
	b.changing.Lock()
	defer b.changing.Unlock()
	deadline := time.Now().Add(patience)
	for _, name := range names {
		if !b.removed(client, name, time.Until(deadline)) {
			continue // add tries again, should there be another Run
		}
		b.mu.Lock()
		delete(b.queues, name)
		b.mu.Unlock()
	}
}

// removed has River stop working a queue, and tells whether it has within the time. It begins to in any case.
func (b *Inbox) removed(client *Client, name string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	err := client.Queues().Remove(ctx, name)
	return err == nil || errors.Is(err, &river.QueueNotFoundError{})
}
