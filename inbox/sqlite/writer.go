package sqlite

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

// ErrClosed is returned by everything that is asked of an inbox after Close.
var ErrClosed = errors.New("sqlite: the inbox has been closed")

const (
	maxBatch  = 512 // operations in one commit
	maxQueued = 4096
)

// A writer does all that this process writes, in one place: whatever waits is put into one transaction, and so shares one
// wait for the disk. What comes alone waits for nobody.
type writer struct {
	db      *sql.DB
	conn    *conn // nil until it is needed, and after an error of the file
	queue   chan *operation
	turn    chan struct{} // held by whoever writes in this process: two would wait for one another in SQLite's way, by sleeping
	guest   chan struct{} // held by the one Transact that has the turn or is next: all of them ahead of the writer, answers to vendors would wait for all
	patient time.Duration // how long another process may keep the file locked

	readOnly bool

	closing chan struct{}
	over    chan struct{}         // closed once nothing more is written
	trouble atomic.Pointer[error] // what holds everything up; nil if nothing does
}

// An operation is what one caller has to write.
type operation struct {
	do    func(c *conn) error // may be called again, if what was done the first time has been rolled back
	state atomic.Int32
	err   error
	done  chan struct{}
}

// Whoever sets the state first decides: the writer, by beginning, or the caller, by leaving.
const (
	queued = iota
	begun
	left
)

func newWriter(db *sql.DB, patient time.Duration) *writer {
	w := &writer{
		db:      db,
		queue:   make(chan *operation, maxQueued),
		turn:    make(chan struct{}, 1),
		guest:   make(chan struct{}, 1),
		patient: patient,
		closing: make(chan struct{}),
		over:    make(chan struct{}),
	}
	go w.loop()
	return w
}

// run has f done in a transaction that it may share with others, and returns once that is durable. An error that f
// returned means that nothing of what it did is.
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
	case <-w.over: // it came into the queue after the last look at it
		late = ErrClosed
	}
	if o.state.CompareAndSwap(queued, left) {
		return late
	}
	<-o.done // it is being written
	return o.err
}

// check returns an error if nothing can be written.
func (w *writer) check(ctx context.Context) error {
	if w.readOnly {
		return ErrReadOnly
	}
	if ctx.Value(insideTransact{}) != nil {
		return errors.New("sqlite: inside Transact only its own transaction may write; anything else would wait for its end")
	}
	select { // on its own: of several that are ready, select takes any
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

// late says what it was that took too long, if that is known.
func (w *writer) late(ctx context.Context) error {
	if trouble := w.trouble.Load(); trouble != nil {
		return fmt.Errorf("sqlite: not written in time: %w: %w", ctx.Err(), *trouble)
	}
	return fmt.Errorf("sqlite: not written in time: %w", ctx.Err())
}

// insideTransact marks the context of a function that was given to Transact.
type insideTransact struct{}

// loop writes until the writer is closed, and then what is still queued.
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

// close has what is queued written, and no more.
func (w *writer) close() {
	close(w.closing)
	<-w.over
}

// write commits the first operation together with all that are queued by then.
func (w *writer) write(first *operation) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	err := w.begin()
	var batch []*operation
	if first.begin() {
		batch = append(batch, first)
	}
	if err != nil { // what waited for the file as well has waited as long
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
		// One statement failed. What the others did goes with it: they are done again, without that one.
		batch = slices.DeleteFunc(batch, func(o *operation) bool { return o == failed })
		failed.end(err)
		w.rollback()
		err = w.begin()
	}
	if err != nil {
		w.trouble.Store(&err)
		w.rollback()
		w.drop()
	} else if w.trouble.Load() != nil {
		w.trouble.Store(nil)
	}
	for _, o := range batch {
		if err != nil {
			o.err = err
		}
		close(o.done)
	}
}

// attempt does what is in the batch, adds what is queued meanwhile, and commits. It returns the operation of which a
// statement failed, if that is what kept it from committing.
func (w *writer) attempt(batch *[]*operation) (failed *operation, err error) {
	for i := 0; ; i++ {
		if i == len(*batch) {
			if i == maxBatch {
				break // before the next is taken out of the queue
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
		case codeOf(o.err) == 0: // done, or what it found is what it has to say
		case ofTheStatement(o.err):
			return o, o.err
		default:
			return nil, o.err
		}
	}
	_, err = w.conn.exec("COMMIT")
	return nil, err
}

// next returns an operation that is queued and has not been left, or nil.
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

// The pauses between two looks at a file that is locked.
const (
	firstPause = 250 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// begin begins a transaction that may write. While another process does it waits, looking often: SQLite's own way of
// waiting sleeps for up to 100 ms, and whoever sleeps longest comes last.
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

// await calls begin until the file is not locked by another process.
func (w *writer) await(ctx context.Context, begin func() error) error {
	began := time.Now()
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		err := begin()
		if !isBusy(err) {
			return err
		}
		waited := time.Since(began)
		err = fmt.Errorf("another program has had the file locked for %v: %w", waited.Round(time.Millisecond), err)
		w.trouble.Store(&err)
		if waited > w.patient {
			return err
		}
		if !pause(ctx, wait/2+rand.N(wait)) { //nolint:gosec // parts those who look at the same time
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// beginTx does what begin does, on a connection that is not the writer's.
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
		w.trouble.Store(nil)
	}
	return tx, err
}

// withoutWaiting calls f while a connection does not wait, in SQLite's way, for a file that is locked.
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
		_, _ = w.conn.exec("ROLLBACK") // after some errors SQLite has done so itself
	}
}

// drop closes the connection, so that a new one is opened for what comes next: the file may have been put in order.
func (w *writer) drop() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}
