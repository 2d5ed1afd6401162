package sqliteinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// ErrClosed is returned by the methods of an inbox after Close.
var ErrClosed = errors.New("sqliteinbox: the inbox has been closed")

const (
	maxBatch  = 512 // operations in one commit
	maxQueued = 4096
)

// A writer makes all writes of this process. It commits all waiting operations in one transaction, so that they share one
// fsync. A single operation does not wait for others.
type writer struct {
	db          *sql.DB
	conn        *conn // nil before the first write, and after an error of the file
	queue       chan *operation
	lockTimeout time.Duration // how long another process may keep the file locked

	// writeLock is held by the goroutine that writes. Without it, SQLite would make the others wait by sleeping.
	writeLock chan struct{}

	// txWaiter is held by the one Transact that has writeLock or is next. The others wait here, so that the writer waits
	// for at most one.
	txWaiter chan struct{}

	readOnly bool

	closing chan struct{}
	over    chan struct{}         // closed after the last write
	problem atomic.Pointer[error] // the current problem of the file; nil without a problem
}

// An operation is one caller's write.
type operation struct {
	do    func(c *conn) error // called again if a rollback has undone it
	state atomic.Int32
	err   error
	done  chan struct{}
}

// The first change from queued decides: the writer begins the operation, or the caller leaves.
const (
	queued = iota
	begun
	left
)

func newWriter(db *sql.DB, lockTimeout time.Duration) *writer {
	w := &writer{
		db:          db,
		queue:       make(chan *operation, maxQueued),
		writeLock:   make(chan struct{}, 1),
		txWaiter:    make(chan struct{}, 1),
		lockTimeout: lockTimeout,
		closing:     make(chan struct{}),
		over:        make(chan struct{}),
	}
	go w.loop()
	return w
}

// run calls f in a transaction that it may share with other operations, and returns once the transaction is durable. If f
// returns an SQLite error, none of its writes are durable. f must return other errors only before it writes.
func (w *writer) run(ctx context.Context, f func(c *conn) error) error {
	if err := w.check(ctx); err != nil {
		return err
	}
	o := &operation{do: f, done: make(chan struct{})}
	select {
	case w.queue <- o:
	case <-ctx.Done():
		return w.late(ctx)
	case <-w.closing:
		return ErrClosed
	}
	var late error
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		late = w.late(ctx)
	case <-w.over: // it was queued after the loop had ended
		late = ErrClosed
	}
	if o.state.CompareAndSwap(queued, left) {
		return late
	}
	<-o.done // the write has begun
	return o.err
}

// check returns an error if the caller must not or cannot write.
func (w *writer) check(ctx context.Context) error {
	if w.readOnly {
		return ErrReadOnly
	}
	if ctx.Value(insideTransact{}) != nil {
		return errors.New("sqliteinbox: inside Transact, write only by its transaction; other writes would wait for its end")
	}
	select { // checked separately, because select picks any ready case
	case <-w.closing:
		return ErrClosed
	case <-ctx.Done():
		return w.late(ctx)
	default:
		return nil
	}
}

// runStore is run for the statements of the idempotency store.
func (w *writer) runStore(ctx context.Context, f func(sqlstore.Conn) error) error {
	return w.run(ctx, func(c *conn) error { return f(c) })
}

// late returns the error for a write that was not made in time, with its cause if it is known.
func (w *writer) late(ctx context.Context) error {
	if problem := w.problem.Load(); problem != nil {
		return fmt.Errorf("sqliteinbox: not written in time: %w: %w", ctx.Err(), *problem)
	}
	return fmt.Errorf("sqliteinbox: not written in time: %w", ctx.Err())
}

// insideTransact is the context key that marks the context of a function given to Transact.
type insideTransact struct{}

// loop writes until the writer is closed, and then writes what is still queued.
func (w *writer) loop() {
	defer close(w.over)
	defer w.drop()
	for {
		select {
		case o := <-w.queue:
			w.write(o)
		case <-w.closing:
			for {
				select {
				case o := <-w.queue:
					w.write(o)
				default:
					return
				}
			}
		}
	}
}

// close writes what is queued, and stops the writer.
func (w *writer) close() {
	close(w.closing)
	<-w.over
}

// write commits the first operation together with all operations that are queued by then.
func (w *writer) write(first *operation) {
	w.writeLock <- struct{}{}
	defer func() { <-w.writeLock }()
	err := w.begin()
	var batch []*operation
	if first.begin() {
		batch = append(batch, first)
	}
	if err != nil { // the other operations have waited as long, and fail too
		for o := w.next(); o != nil; o = w.next() {
			batch = append(batch, o)
		}
	}
	for err == nil {
		var failed *operation
		failed, err = w.attempt(&batch)
		if failed == nil {
			break
		}
		// One statement failed. The rollback undoes the other operations too, so they run again without it.
		batch = slices.DeleteFunc(batch, func(o *operation) bool { return o == failed })
		failed.end(err)
		w.rollback()
		err = w.begin()
	}
	if err != nil {
		w.problem.Store(&err)
		w.rollback()
		w.drop()
	} else if w.problem.Load() != nil {
		w.problem.Store(nil)
	}
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		close(o.done)
	}
}

// attempt runs the operations of the batch, adds those that are queued meanwhile, and commits. If a statement failed, it
// returns that operation.
func (w *writer) attempt(batch *[]*operation) (failed *operation, err error) {
	for i := 0; ; i++ {
		if i == len(*batch) {
			if i == maxBatch {
				break // do not take more from the queue
			}
			o := w.next()
			if o == nil {
				break
			}
			*batch = append(*batch, o)
		}
		o := (*batch)[i]
		o.err = o.do(w.conn)
		switch {
		case codeOf(o.err) == 0: // it succeeded, or returned an error of its result
		case isStatementError(o.err):
			return o, o.err
		default:
			return nil, o.err
		}
	}
	_, err = w.conn.exec("COMMIT")
	return nil, err
}

// next returns a queued operation whose caller still waits, or nil.
func (w *writer) next() *operation {
	for {
		select {
		case o := <-w.queue:
			if o.begin() {
				return o
			}
		default:
			return nil
		}
	}
}

func (o *operation) begin() bool { return o.state.CompareAndSwap(queued, begun) }

func (o *operation) end(err error) {
	o.err = err
	close(o.done)
}

// The pauses between attempts to lock the file.
const (
	firstPause = 250 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// begin begins a transaction that may write. While another process writes, it retries often. SQLite's busy handler sleeps
// for up to 100 ms, and a process that sleeps longer may never get the lock.
func (w *writer) begin() error {
	if w.conn == nil {
		c, err := w.db.Conn(context.Background())
		if err != nil {
			return err
		}
		w.conn = &conn{c: c, statements: make(map[string]*sql.Stmt)}
		if _, err := w.conn.exec("PRAGMA busy_timeout = 0"); err != nil {
			return err
		}
	}
	return w.await(context.Background(), func() error {
		_, err := w.conn.exec("BEGIN IMMEDIATE")
		return err
	})
}

// await calls begin until no other process has the file locked. If ctx ends first, the error also wraps that of the lock, even if
// ctx ended during a call of begin.
func (w *writer) await(ctx context.Context, begin func() error) error {
	began := time.Now()
	var busy error
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		err := begin()
		switch {
		case isBusy(err):
			waited := time.Since(began)
			err = fmt.Errorf("another program has had the file locked for %v: %w", waited.Round(time.Millisecond), err)
			w.problem.Store(&err)
			if waited > w.lockTimeout {
				return err
			}
			busy = err
		case err == nil || busy == nil || ctx.Err() == nil:
			return err
		}
		if !pause(ctx, wait/2+rand.N(wait)) { //nolint:gosec // spreads processes that retry together
			return fmt.Errorf("%w: %w", ctx.Err(), busy)
		}
	}
}

// pause waits for d, and reports whether ctx has not ended by then.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil // select may pick the timer although ctx has ended
	}
}

// beginTx is begin for a connection other than the writer's.
func (w *writer) beginTx(ctx context.Context, c *sql.Conn) (tx *sql.Tx, err error) {
	err = withoutWaiting(ctx, c, func() error {
		return w.await(ctx, func() (err error) {
			tx, err = c.BeginTx(ctx, nil)
			return err
		})
	})
	if err != nil && tx != nil {
		_ = tx.Rollback()
	}
	if err == nil {
		w.problem.Store(nil)
	}
	return tx, err
}

// withoutWaiting calls f while SQLite's busy handler is off for the connection.
func withoutWaiting(ctx context.Context, c *sql.Conn, f func() error) error {
	if _, err := c.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	err := f()
	if _, e := c.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 5000"); err == nil {
		err = e
	}
	return err
}

func (w *writer) rollback() {
	if w.conn != nil {
		_, _ = w.conn.exec("ROLLBACK") // after some errors, SQLite has rolled back already
	}
}

// drop closes the connection, so that the next write opens a new one: the file may have been repaired.
func (w *writer) drop() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}
