package webhooktest

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

// slowly yields body in pieces, so that the last comes when over has passed.
func slowly(over time.Duration) func(context.Context, *exchange, []byte) io.Reader {
	return func(ctx context.Context, _ *exchange, body []byte) io.Reader {
		pieces := max(1, min(10, len(body)))
		r := &slowReader{ctx: ctx, pause: over / time.Duration(pieces)}
		for i := range pieces {
			r.pieces = append(r.pieces, body[len(body)*i/pieces:len(body)*(i+1)/pieces])
		}
		return r
	}
}

type slowReader struct {
	ctx    context.Context
	pieces [][]byte
	pause  time.Duration
	begun  bool // the pause before the first piece has passed
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	if !r.begun && within(r.pause, r.ctx.Done()) {
		return 0, r.ctx.Err()
	}
	n := copy(p, r.pieces[0])
	r.pieces[0] = r.pieces[0][n:]
	if r.begun = len(r.pieces[0]) > 0; !r.begun {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}

// whole yields all of body. net/http does not know it to be in memory, so it holds nothing back in a buffer, and what it
// says has been written has been sent.
func whole(_ context.Context, _ *exchange, body []byte) io.Reader {
	return struct{ io.Reader }{bytes.NewReader(body)}
}

// halfOf yields the first half of body, and an error.
func halfOf(_ context.Context, _ *exchange, body []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(body[:len(body)/2]), brokenReader{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errCutOff }

// lonely is how long a body waits for the others: a handler may let in one at a time.
const lonely = time.Second

// A barrier holds up bodies until all of them are waited for.
type barrier struct {
	mu      sync.Mutex
	missing int
	all     chan struct{}
}

func newBarrier(n int) *barrier { return &barrier{missing: n, all: make(chan struct{})} }

// hold yields body once all others are held as well.
func (b *barrier) hold(ctx context.Context, x *exchange, body []byte) io.Reader {
	return io.MultiReader(&gate{ctx: ctx, exchange: x, barrier: b}, bytes.NewReader(body))
}

// A gate is a body that is empty and takes until the barrier is open.
type gate struct {
	ctx      context.Context
	exchange *exchange
	barrier  *barrier
}

// Read is called once the headers have been sent.
func (g *gate) Read([]byte) (int, error) {
	ctx, cancel := context.WithTimeout(g.ctx, lonely)
	defer cancel()
	if g.exchange.inMemory {
		waitFor(ctx, g.exchange.reading)
	}
	b := g.barrier
	b.mu.Lock()
	if b.missing--; b.missing == 0 {
		close(b.all)
	}
	b.mu.Unlock()
	waitFor(ctx, b.all)
	return 0, io.EOF
}
