package sqliteinbox

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

// waitLimit is how long a test waits for an expected event, even on a busy machine.
const waitLimit = 2 * time.Minute

// A writerHarness is an inbox with a table for tests and control over its writer.
type writerHarness struct {
	*Inbox
	t *testing.T
}

func newWriterHarness(t *testing.T) *writerHarness {
	t.Helper()
	box, err := Open(filepath.Join(t.TempDir(), "inbox.db"), &Options{Policy: inbox.Policy{Logger: slog.New(slog.DiscardHandler)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	box.StopPurging() // it writes too
	b := &writerHarness{box, t}
	require.NoError(t, b.do(context.Background(), `CREATE TABLE things (name TEXT UNIQUE, size INTEGER CHECK (size < 100)) STRICT`))
	return b
}

// do writes one statement.
func (b *writerHarness) do(ctx context.Context, query string, args ...any) error {
	return b.writer.run(ctx, func(c *conn) error {
		_, err := c.exec(query, args...)
		return err
	})
}

const addThing = `INSERT INTO things VALUES (?1, ?2)`

func (b *writerHarness) things() int {
	b.t.Helper()
	var n int
	require.NoError(b.t, b.reads.QueryRow(`SELECT count(*) FROM things`).Scan(&n))
	return n
}

// hold blocks the writer until the returned function is called. The writer has dequeued an operation whose caller has
// left, so it leaves all others in the queue.
func (b *writerHarness) hold() (release func()) {
	b.t.Helper()
	b.writer.writeLock <- struct{}{}
	o := new(operation)
	o.state.Store(left)
	b.writer.queue <- o
	b.queued(0)
	return func() { <-b.writer.writeLock }
}

// queued waits until n operations are queued.
func (b *writerHarness) queued(n int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.writer.queue) == n }, waitLimit, time.Millisecond)
}

// emptiesLog begins a new write-ahead log.
func (b *writerHarness) emptiesLog() {
	b.t.Helper()
	var busy, frames, moved int
	require.NoError(b.t, b.db.QueryRow(`PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved))
	require.Zero(b.t, busy)
}

// commits counts the transactions in the write-ahead log, by their commit frames.
func (b *writerHarness) commits() int {
	b.t.Helper()
	log, err := os.ReadFile(b.path + "-wal")
	require.NoError(b.t, err)
	const header, frameHeader = 32, 24
	if len(log) < header {
		return 0
	}
	pageSize, salt := int(binary.BigEndian.Uint32(log[8:])), string(log[16:24])
	n := 0
	for at := header; at+frameHeader+pageSize <= len(log); at += frameHeader + pageSize {
		if string(log[at+8:at+16]) == salt && binary.BigEndian.Uint32(log[at+4:]) != 0 {
			n++
		}
	}
	return n
}

func TestWriter_CommitsWaitingOperationsTogether(t *testing.T) {
	const waiting = 600
	b := newWriterHarness(t)
	b.emptiesLog()
	release := b.hold()
	var writers sync.WaitGroup
	var failed atomic.Int64
	for i := range waiting {
		writers.Go(func() {
			if b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1) != nil {
				failed.Add(1)
			}
		})
	}
	b.queued(waiting)
	release()
	written := make(chan struct{})
	go func() {
		writers.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(waitLimit):
		require.Fail(t, "some waiting operations were never written")
	}
	require.Zero(t, failed.Load())
	require.Equal(t, waiting, b.things())
	require.Equal(t, 2, b.commits(), "a batch of %d and the rest", maxBatch)
}

func TestWriter_DoesNotDelayLoneOperation(t *testing.T) {
	b := newWriterHarness(t)
	other, err := sql.Open("sqlite", source(filepath.Join(t.TempDir(), "other.db"), pragmas, writePragmas))
	require.NoError(t, err)
	defer other.Close()
	_, err = other.Exec(`CREATE TABLE things (name TEXT UNIQUE, size INTEGER) STRICT`)
	require.NoError(t, err)
	var ours, floor []time.Duration
	b.emptiesLog()
	const times = 50
	for i := range times {
		began := time.Now()
		require.NoError(t, b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1))
		ours = append(ours, time.Since(began))
		began = time.Now()
		_, err := other.Exec(addThing, fmt.Sprint("thing ", i), 1)
		require.NoError(t, err)
		floor = append(floor, time.Since(began))
	}
	require.Equal(t, times, b.commits(), "each operation is durable before it returns")
	// The fastest of each, because a busy machine delays some, and a wait in the code delays all.
	require.Less(t, slices.Min(ours), 5*slices.Min(floor)+4*time.Millisecond)
}

func TestWriter_SkipsOperationsOfDepartedCallers(t *testing.T) {
	b := newWriterHarness(t)
	release := b.hold()
	var writers sync.WaitGroup
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error, 10)
	for i := range cap(left) {
		go func() { left <- b.do(ctx, addThing, fmt.Sprint("left ", i), 1) }()
	}
	writers.Go(func() {
		if err := b.do(context.Background(), addThing, "stayed", 1); err != nil {
			t.Error(err)
		}
	})
	b.queued(cap(left) + 1)
	leave()
	for range cap(left) {
		require.ErrorIs(t, <-left, context.Canceled, "while the writer cannot write")
	}
	release()
	writers.Wait()
	require.Equal(t, 1, b.things())
}

func TestWriter_RefusesEndedContext(t *testing.T) {
	b := newWriterHarness(t)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range 200 {
		require.ErrorIs(t, b.do(ended, addThing, "late", 1), context.Canceled)
	}
	require.Zero(t, b.things())
}

func TestWriter_WaitsForOperationUnderWay(t *testing.T) {
	b := newWriterHarness(t)
	ctx, cancel := context.WithCancel(context.Background())
	err := b.writer.run(ctx, func(c *conn) error {
		cancel()
		time.Sleep(50 * time.Millisecond) // the caller could leave in this time
		_, err := c.exec(addThing, "begun", 1)
		return err
	})
	require.NoError(t, err, "the caller gets the real result")
	require.Equal(t, 1, b.things())
}

func TestWriter_IsolatesFailingStatement(t *testing.T) {
	b := newWriterHarness(t)
	require.NoError(t, b.do(context.Background(), addThing, "there", 1))
	errOwn := errors.New("an error without a write")
	wrong := map[int]string{3: "UNIQUE constraint failed", 7: "CHECK constraint failed", 11: "no such table", 19: errOwn.Error()}
	results := make([]error, 20)
	b.emptiesLog()
	release := b.hold()
	var writers sync.WaitGroup
	for i := range results {
		writers.Go(func() {
			switch i {
			case 3:
				results[i] = b.do(context.Background(), addThing, "there", 1)
			case 7:
				results[i] = b.do(context.Background(), addThing, "big", 100)
			case 11:
				results[i] = b.writer.run(context.Background(), func(c *conn) error {
					if _, err := c.exec(addThing, "partial", 1); err != nil {
						return err
					}
					_, err := c.exec(`INSERT INTO nothings VALUES (1)`)
					return err
				})
			case 19:
				results[i] = b.writer.run(context.Background(), func(*conn) error { return errOwn })
			default:
				results[i] = b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1)
			}
		})
	}
	b.queued(len(results))
	release()
	writers.Wait()
	for i, err := range results {
		if text, failed := wrong[i]; failed {
			require.ErrorContains(t, err, text, "operation %d", i)
		} else {
			require.NoError(t, err, "operation %d", i)
		}
	}
	require.Equal(t, 1+len(results)-len(wrong), b.things(), "no operation ran twice, and none partially")
	require.Equal(t, 1, b.commits(), "the others share one commit")
}

func TestWriter_FailsWholeBatchOnFileError(t *testing.T) {
	b := newWriterHarness(t)
	require.NoError(t, b.do(context.Background(), `CREATE TABLE big (x BLOB)`))
	results := make([]error, 8)
	last := len(results) - 1
	release := b.hold()
	var writers sync.WaitGroup
	for i := range last {
		writers.Go(func() { results[i] = b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1) })
	}
	b.queued(last)
	writers.Go(func() {
		results[last] = b.writer.run(context.Background(), func(c *conn) error {
			if _, err := c.exec(`PRAGMA max_page_count = 1`); err != nil { // the current size
				return err
			}
			_, err := c.exec(`INSERT INTO big VALUES (zeroblob(1000000))`)
			return err
		})
	})
	b.queued(last + 1)
	release()
	writers.Wait()
	for _, err := range results {
		require.ErrorContains(t, err, "disk is full")
	}
	require.Zero(t, b.things())
	for i := range results {
		require.NoError(t, b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1))
	}
	require.NoError(t, b.do(context.Background(), `INSERT INTO big VALUES (zeroblob(1000000))`))
	require.Nil(t, b.writer.problem.Load())
}

func TestWriter_WritesQueueOnClose(t *testing.T) {
	b := newWriterHarness(t)
	path := b.path
	release := b.hold()
	var writers sync.WaitGroup
	const waiting = 3*maxBatch + 40 // several batches
	for i := range waiting {
		writers.Go(func() {
			if err := b.do(context.Background(), addThing, fmt.Sprint("thing ", i), 1); err != nil {
				t.Error(err)
			}
		})
	}
	b.queued(waiting)
	closed := make(chan error)
	go func() { closed <- b.Close() }()
	<-b.writer.closing
	release()
	require.NoError(t, <-closed)
	writers.Wait()
	require.NoError(t, b.Close(), "again")
	for range 20 {
		require.ErrorIs(t, b.do(context.Background(), addThing, "late", 1), ErrClosed)
		require.ErrorIs(t, b.Transact(context.Background(), func(context.Context, *sql.Tx) error { return nil }), ErrClosed)
	}
	again, err := Open(path, nil)
	require.NoError(t, err)
	defer again.Close()
	var n int
	require.NoError(t, again.reads.QueryRow(`SELECT count(*) FROM things`).Scan(&n))
	require.Equal(t, waiting, n)
}

// A closingContext closes the writer just before an operation is queued.
type closingContext struct {
	context.Context
	asked *int
	close func()
}

func (c closingContext) Done() <-chan struct{} {
	if *c.asked++; *c.asked == 2 { // after check, and before queueing
		c.close()
	}
	return nil
}

func TestWriter_ReturnsErrClosedDuringClose(t *testing.T) {
	for range 20 {
		db, err := sql.Open("sqlite", source(filepath.Join(t.TempDir(), "inbox.db"), pragmas, writePragmas))
		require.NoError(t, err)
		w := newWriter(db, time.Second)
		ctx := closingContext{context.Background(), new(int), w.close}
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx, func(*conn) error { return nil }) }()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, ErrClosed)
		case <-time.After(waitLimit):
			require.Fail(t, "its caller waits forever")
		}
		require.NoError(t, db.Close())
	}
}

func TestClose_LeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		box, err := Open(filepath.Join(t.TempDir(), "inbox.db"), nil)
		require.NoError(t, err)
		b := &writerHarness{box, t}
		require.NoError(t, b.do(context.Background(), `CREATE TABLE things (name TEXT UNIQUE, size INTEGER)`))
		require.NoError(t, box.Close())
	}
	_, err := Open(t.TempDir(), nil) // the same for a failed Open
	require.Error(t, err)
	var after int
	require.Eventually(t, func() bool {
		after = runtime.NumGoroutine() - 1 // without this function's goroutine
		return after <= before
	}, waitLimit, 10*time.Millisecond, "%d before", before)
}
