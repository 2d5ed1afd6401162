package webhooktest

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

// slowly yields body in pieces over that time.
func slowly(over time.Duration) func(context.Context, *roundTrip, []byte) io.Reader {
	return func(ctx context.Context, _ *roundTrip, body []byte) io.Reader {
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
	begun  bool // part of the first piece has been read
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

// whole yields all of body through a reader that net/http does not know. So net/http does not buffer it, and reports it
// written only once it is sent.
func whole(_ context.Context, _ *roundTrip, body []byte) io.Reader {
	return struct{ io.Reader }{bytes.NewReader(body)}
}

// halfOf yields the first half of body and then an error.
func halfOf(_ context.Context, _ *roundTrip, body []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(body[:len(body)/2]), brokenReader{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errCutOff }

// barrierTimeout is how long a body waits for the others. A handler may process only one request at a time.
const barrierTimeout = time.Second

// A barrier delays several bodies until the receiver reads all of them.
type barrier struct {
	mu      sync.Mutex
	missing int
	all     chan struct{}
}

func newBarrier(n int) *barrier { return &barrier{missing: n, all: make(chan struct{})} }

// hold yields body once all other bodies are delayed as well.
func (b *barrier) hold(ctx context.Context, x *roundTrip, body []byte) io.Reader {
	return io.MultiReader(&gate{ctx: ctx, trip: x, barrier: b}, bytes.NewReader(body))
}

// A gate is an empty body whose Read waits until the barrier is open.
type gate struct {
	ctx     context.Context
	trip    *roundTrip
	barrier *barrier
}

// Read is called after the headers have been sent.
func (g *gate) Read([]byte) (int, error) {
	ctx, cancel := context.WithTimeout(g.ctx, barrierTimeout)
	defer cancel()
	if g.trip.inMemory {
		waitFor(ctx, g.trip.reading)
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
