package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
)

const (
	maxBatch = 128 // calls in one statement

	// slowBatch is how long the next batch waits for the running one. The running batch may hang on a broken connection
	// while other connections work.
	slowBatch = 100 * time.Millisecond

	// giveBackTimeout bounds the release of a claim whose caller has gone.
	giveBackTimeout = 5 * time.Second
)

// A batcher combines calls that arrive while a batch runs into one statement, and so into one wait for the disk. A call
// that arrives alone does not wait. The batcher has a goroutine only while a batch runs.
type batcher struct {
	// do runs the calls in one statement, and returns the keys of the calls that it has done. No two calls have the same
	// key.
	do func(ctx context.Context, calls []*batchCall) (done map[string]bool, err error)

	// undo reverses a call that was done after its caller had gone.
	undo func(ctx context.Context, c *batchCall)

	mu      sync.Mutex
	waiting []*batchCall
	running *batch
}

// A batchCall is the call of one caller.
type batchCall struct {
	key   string
	token idempotency.Token
	lease time.Duration

	batch *batch // nil while it waits for a batch
	left  bool   // the caller has gone
	over  chan struct{}

	// These are valid once over is closed.
	done bool
	err  error
}

// A batch is a statement that runs.
type batch struct {
	calls   []*batchCall
	present int // the number of calls whose caller has not gone
	ctx     context.Context
	cancel  context.CancelFunc
}

// call adds c to a batch, and reports whether the batch has done it. After an error of the statement or of ctx, the outcome
// is unknown.
func (b *batcher) call(ctx context.Context, c *batchCall) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	c.over = make(chan struct{})
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	b.begin()
	b.mu.Unlock()
	select {
	case <-c.over:
		return c.done, c.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-c.over: // ended at the same time
		return c.done, c.err
	default:
	}
	b.leave(c)
	return false, ctx.Err()
}

// leave removes the caller of c, and cancels the batch if it was the last one.
func (b *batcher) leave(c *batchCall) {
	if c.batch == nil {
		b.waiting = slices.DeleteFunc(b.waiting, func(other *batchCall) bool { return other == c })
		return
	}
	c.left = true
	if c.batch.present--; c.batch.present == 0 {
		c.batch.cancel()
	}
}

// begin starts a batch of the waiting calls, unless a batch is running.
func (b *batcher) begin() {
	if b.running != nil || len(b.waiting) == 0 {
		return
	}
	g := new(batch)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	keys := make(map[string]bool, len(b.waiting))
	b.waiting = slices.DeleteFunc(b.waiting, func(c *batchCall) bool {
		if keys[c.key] || len(g.calls) == maxBatch {
			return false
		}
		keys[c.key] = true
		c.batch = g
		g.calls = append(g.calls, c)
		return true
	})
	g.present = len(g.calls)
	b.running = g
	go b.run(g)
}

func (b *batcher) run(g *batch) {
	slow := time.AfterFunc(slowBatch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.next(g)
	})
	var done map[string]bool
	var err error
	if panicked := caught(func() { done, err = b.do(g.ctx, g.calls) }); panicked != nil {
		done, err = nil, panicked
	}
	slow.Stop()
	g.cancel()
	for _, c := range b.end(g, done, err) {
		ctx, cancel := context.WithTimeout(context.Background(), giveBackTimeout)
		_ = caught(func() { b.undo(ctx, c) })
		cancel()
	}
}

// caught returns a panic as an error, because a panic on the batcher's goroutine would crash the process.
func caught(f func()) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("sqlstore: a batch panicked: %v", value)
		}
	}()
	f()
	return nil
}

// next starts the batch after g, unless it has started already.
func (b *batcher) next(g *batch) {
	if b.running == g {
		b.running = nil
		b.begin()
	}
}

// end notifies the callers of the results. It returns the calls that were done although their caller has gone.
func (b *batcher) end(g *batch, done map[string]bool, err error) (unwanted []*batchCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next(g)
	for _, c := range g.calls {
		c.done, c.err = done[c.key], err
		if c.left && c.done {
			unwanted = append(unwanted, c)
		}
		close(c.over)
	}
	return unwanted
}
