package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// A queue is an engine that keeps deliveries in memory, for one process. So it needs no leases to renew, and only Run is
// shown.
type queue struct {
	runs engine.Runs
	mu   sync.Mutex
	all  []*item
}

// An item is a stored delivery. It implements engine.Lease.
type item struct {
	queue    *queue
	delivery *webhook.Delivery
	state    inbox.State
	due      time.Time
	attempts []inbox.Attempt
	tried    int
}

func (q *queue) Run(ctx context.Context, handlers ...inbox.Handler) error {
	policy, err := engine.WithDefaults(inbox.Policy{})
	if err != nil {
		return err
	}
	d, end, err := q.runs.Begin(ctx, policy, handlers...)
	if err != nil {
		return err
	}
	defer end()
	return d.Work(&engine.Storage{
		Take: func(context.Context) (time.Duration, error) { return q.take(d) },
	})
}

// take starts what is due while slots are free.
func (q *queue) take(d *engine.Dispatcher) (next time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range q.all {
		if i.state == inbox.Pending && !time.Now().Before(i.due) && d.Reserve(i.delivery.Vendor, i.delivery.Endpoint, 1) == 1 {
			i.state = inbox.Running
			d.Start(i)
		}
	}
	return 100 * time.Millisecond, nil
}

func (i *item) Delivery() (d *webhook.Delivery, tried int, err error) {
	return i.delivery, i.tried + 1, nil
}

func (i *item) Record(_ context.Context, d engine.Decision) error {
	states := map[engine.Disposition]inbox.State{
		engine.Complete: inbox.Done, engine.DeadLetter: inbox.DeadLettered, engine.Retry: inbox.Pending, engine.Defer: inbox.Deferred,
	}
	i.queue.mu.Lock()
	defer i.queue.mu.Unlock()
	i.state, i.due = states[d.Disposition], time.Now().Add(d.After)
	i.attempts = engine.Append(i.attempts, d.Attempt)
	if d.Attempt.Counted {
		i.tried++
	}
	return nil
}

func (i *item) GiveBack(context.Context) error {
	i.queue.mu.Lock()
	defer i.queue.mu.Unlock()
	i.state = inbox.Pending
	return nil
}

func (i *item) Free() {}

func (i *item) Entry() inbox.Entry {
	return inbox.Entry{ID: i.delivery.ID, State: i.state, Delivery: i.delivery, Attempts: i.attempts}
}

func ExampleDispatcher_Work() {
	ctx, stop := context.WithCancel(context.Background())
	handler := acme(func(_ context.Context, d *webhook.Delivery) webhook.Result {
		fmt.Println("run", d.ID)
		stop() // ends the Run, which records the result
		return webhook.Result{Outcome: webhook.Handled}
	})
	q := new(queue)
	q.runs.Report = func(err error) { slog.Warn("queue", "error", err) }
	stored := &item{queue: q, delivery: delivery("a"), state: inbox.Pending}
	q.all = append(q.all, stored)
	fmt.Println(q.Run(ctx, handler), stored.state, len(stored.attempts))
	// Output:
	// run a
	// <nil> done 1
}
