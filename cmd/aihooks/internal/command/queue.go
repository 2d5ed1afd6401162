package command

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxQueued is how many bytes of output are queued for a terminal or a pipe that does not read.
const maxQueued = 16 << 20

// A queue writes output on one goroutine, in order. A paused terminal or a full pipe then blocks only that goroutine, and no
// request.
type queue struct {
	app      *app
	out, err io.Writer
	limit    int // bytes

	mu      sync.Mutex
	waiting []piece
	size    int           // bytes in waiting
	dropped int           // pieces, since the last notice
	written int           // pieces
	idle    chan struct{} // closed by run when nothing waits; nil while run is not running
}

type piece struct {
	to   io.Writer
	text []byte
}

// A queued is a writer that appends to a queue.
type queued struct {
	*queue
	to io.Writer
}

// queueOutput sends all further output through a queue.
func (a *app) queueOutput() {
	a.queue = &queue{app: a, out: a.Out, err: a.Err, limit: maxQueued}
	a.Out, a.Err = queued{a.queue, a.Out}, queued{a.queue, a.Err}
}

// Write queues a copy of p. It never blocks, and drops p if the queue is full.
func (w queued) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 && w.size+len(p) > w.limit {
		w.dropped++
		return len(p), nil
	}
	w.waiting = append(w.waiting, piece{w.to, bytes.Clone(p)})
	w.size += len(p)
	if w.idle == nil {
		w.idle = make(chan struct{})
		go w.run()
	}
	return len(p), nil
}

// run writes until the queue is empty.
func (q *queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 || q.dropped > 0 {
		var next piece
		if len(q.waiting) > 0 {
			next, q.waiting = q.waiting[0], q.waiting[1:]
			q.size -= len(next.text)
		} else {
			next = piece{q.err, fmt.Appendf(nil, "output was not read in time: %d pieces were dropped\n", q.dropped)}
			q.app.wrote(fmt.Errorf("it was not read in time, and %d pieces were dropped", q.dropped))
			q.dropped = 0
		}
		q.mu.Unlock()
		_, err := next.to.Write(next.text)
		if next.to == q.out {
			q.app.wrote(err)
		}
		q.mu.Lock()
		q.written++
	}
	close(q.idle)
	q.idle = nil
}

// flush waits until all output is written. It gives up when nothing was read for limit.
func (q *queue) flush(limit time.Duration) {
	if q == nil {
		return
	}
	for before := -1; ; {
		q.mu.Lock()
		idle, written := q.idle, q.written
		q.mu.Unlock()
		if idle == nil {
			return
		}
		if written == before {
			q.app.wrote(fmt.Errorf("nothing read it for %v", limit))
			return
		}
		before = written
		select {
		case <-idle:
		case <-time.After(limit):
		}
	}
}
