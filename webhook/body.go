package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	errTooLarge = errors.New("webhook: the body is too large")
	errSlow     = errors.New("webhook: the body did not arrive within Options.BodyTimeout or http.Server.ReadTimeout, or before the answer was due")
	errLength   = errors.New("webhook: the body is not as long as it was declared")
	errNoByte   = fmt.Errorf("%w: not one byte of it arrived", errLength)
	errReading  = errors.New("webhook: bodies that are being authenticated use up Options.ReadBudget")
	errMadeRoom = errors.New("webhook: Options.ReadBudget was used up, and the body was the slowest")
)

// chunkSize is what a body takes at first, and is enough for most.
const chunkSize = 16 << 10

// Bodies are read into pooled chunks; most are forged or duplicate and leave nothing behind.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// A buffer holds a body until it has been authenticated.
type buffer struct {
	b      []byte // the body, once it is complete
	chunks []*[chunkSize]byte
	charge *charge
}

// free gives back the memory of the body, which must not be used after that. It reports whether the body made room.
func (b *buffer) free() (madeRoom bool) {
	for _, c := range b.chunks {
		chunks.Put(c)
	}
	b.b, b.chunks = nil, nil
	madeRoom = b.charge.release()
	b.charge = nil
	return madeRoom
}

// read reads all of body, and no more than one byte over limit. It takes memory for what has arrived: declaring a length
// takes none.
func (b *buffer) read(body io.Reader, declared, limit int64) error {
	length, free := int64(0), []byte(nil)
	for {
		if len(free) == 0 {
			if length > 0 {
				if err := b.charge.grow(); err != nil {
					return err
				}
			}
			chunk := chunks.Get().(*[chunkSize]byte)
			b.chunks, free = append(b.chunks, chunk), chunk[:]
		}
		n, err := body.Read(free[:min(int64(len(free)), limit+1-length)])
		length, free = length+int64(n), free[n:]
		if b.charge != nil {
			b.charge.received.Add(int64(n))
		}
		switch {
		case length > limit:
			return fmt.Errorf("%w: more than Options.MaxBody (%d bytes) arrived", errTooLarge, limit)
		case errors.Is(err, io.EOF) && (declared <= 0 || length == declared):
			b.join(length)
			return nil
		case errors.Is(err, io.EOF) && length == 0:
			return errNoByte
		case errors.Is(err, io.EOF):
			return errLength
		case err != nil:
			return err
		}
	}
}

// join makes one slice of the chunks.
func (b *buffer) join(length int64) {
	if len(b.chunks) == 1 {
		b.b = b.chunks[0][:length]
		return
	}
	b.b = make([]byte, 0, length)
	for _, c := range b.chunks {
		b.b = append(b.b, c[:min(chunkSize, length-int64(len(b.b)))]...)
		chunks.Put(c)
	}
	b.chunks = nil
}

// take returns the body for good, in memory that is not used again.
func (b *buffer) take() []byte {
	if b.chunks == nil {
		return b.b
	}
	return bytes.Clone(b.b)
}

// aLongTimeAgo is a deadline that ends a read that has begun.
var aLongTimeAgo = time.Unix(1, 0)

// readBody reads the body within the budget and under a limit of size and time. A nil budget has no bounds. The caller
// frees the buffer, which is nil after an error.
func (r *Request) readBody(budget *ReadBudget, limit int64, timeout time.Duration) (buf *buffer, err error) {
	read, complete := new(buffer), false
	defer func() { // also if a reader panics
		if !complete && read.free() {
			err = errMadeRoom
		}
	}()
	if err := r.fill(read, budget, limit, timeout); err != nil {
		return nil, readError(err)
	}
	complete = true
	return read, nil
}

// fill reads the body into buf, by reads that end after the timeout or when the budget needs room.
func (r *Request) fill(buf *buffer, budget *ReadBudget, limit int64, timeout time.Duration) (err error) {
	body, start, interrupt := r.Body, func() {}, func() {}
	until := time.Now().Add(timeout)
	switch {
	case body == nil:
		return nil
	case inMemory(body):
	case r.setReadDeadline(until):
		interrupt = func() { r.setReadDeadline(aLongTimeAgo) }
		defer func() {
			if err == nil { // a deadline that is left would end the request's context while the callback runs
				r.setReadDeadline(time.Time{})
			}
		}()
	default:
		out, in := io.Pipe()
		stop := func() { _ = in.CloseWithError(errSlow) }
		late := time.AfterFunc(timeout, stop)
		defer func() {
			late.Stop()
			stop()
		}()
		start = func() {
			r.copied = make(chan struct{})
			go copyBody(in, r.Body, r.copied)
		}
		body, interrupt = out, stop
	}
	if budget != nil {
		if buf.charge = budget.admit(until, interrupt); buf.charge == nil {
			return errReading
		}
	}
	start()
	if err := buf.read(body, r.ContentLength, limit); err != nil {
		return err
	}
	buf.charge.complete() // from here on nothing interrupts the connection
	return nil
}

// copyBody copies a body whose reads nothing can end into a pipe. Once the pipe is closed, the last read goes on until
// the server closes the body, and takes no more memory than this buffer.
func copyBody(in *io.PipeWriter, body io.Reader, end chan<- struct{}) {
	err := errors.New("webhook: reading the body panicked")
	defer func() {
		_ = recover() // on this goroutine it would end the process
		close(end)    // before the handler can see that the body has ended
		_ = in.CloseWithError(err)
	}()
	buf := make([]byte, 4<<10)
	for {
		n, readErr := body.Read(buf)
		if _, closed := in.Write(buf[:n]); closed != nil {
			return
		}
		if readErr != nil {
			err = readErr
			return
		}
	}
}

// readError tells our own errors from those of the connection, and of a limit that was set further out.
func readError(err error) error {
	var further *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.As(err, &further):
		return fmt.Errorf("%w: an http.MaxBytesReader before the handler allows %d bytes", errTooLarge, further.Limit)
	default:
		return err
	}
}

// inMemory reports whether reading cannot block.
func inMemory(body io.Reader) bool {
	switch body.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	default:
		return false
	}
}
