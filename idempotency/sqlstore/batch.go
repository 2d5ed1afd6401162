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

	// slowBatch is how long a batch may take before the next one no longer waits for it: it may hang on a connection
	// that is dead, and others are not.
	slowBatch = 100 * time.Millisecond

	// giveBackTimeout is how long a claim that nobody waits for any more may take to be given back.
	giveBackTimeout = 5 * time.Second
)

// A batcher puts the calls that come while others are under way into one statement, which is one wait for the disk. What
// comes alone waits for nobody. It has a goroutine only while there is something to do.
type batcher struct {
	// do has a statement do the calls, of which no two have the same key, and returns the keys of those that it did
	// what they wanted for.
	do func(ctx context.Context, calls []*batchCall) (done map[string]bool, err error)

	// undo is for what was done for a caller who has gone.
	undo func(ctx context.Context, c *batchCall)

	mu      sync.Mutex
	waiting []*batchCall
	running *batch
}

// A batchCall is what one caller wants.
type batchCall struct {
	key   string
	token idempotency.Token
	lease time.Duration

	batch *batch // nil while it waits for one
	left  bool   // the caller has gone
	over  chan struct{}

	// To be read once it is over.
	done bool
	err  error
}

// A batch is a statement under way.
type batch struct {
	calls   []*batchCall
	present int // those whose caller has not gone
	ctx     context.Context
	cancel  context.CancelFunc
}

// call returns whether the call's batch has done what it wants. The error is the statement's, or that of ctx; then
// nobody knows.
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
	case <-c.over: // meanwhile
		return c.done, c.err
	default:
	}
	b.leave(c)
	return false, ctx.Err()
}

// leave takes the caller away, and ends a batch that nobody waits for any more.
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

// begin begins a batch of those who wait, unless one is under way.
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

// caught returns a panic as an error: on a goroutine of the batcher's own it would end the process.
func caught(f func()) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("sqlstore: a batch panicked: %v", value)
		}
	}()
	f()
	return nil
}

// next begins the batch after g, unless that has been done.
func (b *batcher) next(g *batch) {
	if b.running == g {
		b.running = nil
		b.begin()
	}
}

// end tells the callers what has become of their calls, and returns those that were done for somebody who has gone.
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
