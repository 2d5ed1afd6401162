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
	errSlow     = errors.New("webhook: the body did not arrive within Options.BodyTimeout or http.Server.ReadTimeout, or before the response was due")
	errLength   = errors.New("webhook: the body is not as long as the declared Content-Length")
	errNoByte   = fmt.Errorf("%w: no byte of it arrived", errLength)
	errReading  = errors.New("webhook: bodies that are being authenticated use up Options.ReadBudget")
	errEvicted  = errors.New("webhook: Options.ReadBudget was used up, and this body was the slowest")
)

// chunkSize is the memory that a body takes at first. It is enough for most bodies.
const chunkSize = 16 << 10

// chunks pools the memory into which bodies are read.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// A buffer holds a body until it has been authenticated.
type buffer struct {
	b      []byte // the body, once it is complete
	chunks []*[chunkSize]byte
	charge *charge
}

// free releases the memory of the body, which must not be used after that. It reports whether the body was evicted.
func (b *buffer) free() (evicted bool) {
	for _, c := range b.chunks {
		chunks.Put(c)
	}
	b.b, b.chunks = nil, nil
	evicted = b.charge.release()
	b.charge = nil
	return evicted
}

// read reads all of body, and at most one byte more than limit. It takes memory only for bytes that have arrived: a
// declared length takes none.
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

// join copies the chunks into one slice.
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

// take returns the body in memory that is not pooled, and frees the buffer.
func (b *buffer) take() []byte {
	body := b.b
	if b.chunks != nil {
		body = bytes.Clone(body)
	}
	b.free()
	return body
}

// aLongTimeAgo is a deadline that ends a read that has begun.
var aLongTimeAgo = time.Unix(1, 0)

// readBody reads the body into buf, within the budget, Options.MaxBody and Options.BodyTimeout. A nil budget is unlimited.
func (h *Handler) readBody(a *arrival, r *Request, buf *buffer, budget *ReadBudget) disposition {
	err := r.fill(buf, budget, h.options.MaxBody, min(h.options.BodyTimeout, time.Until(a.respondBy)))
	if err == nil {
		return disposition{}
	}
	if buf.free() {
		err = errEvicted
	}
	v := disposition{outcome: Rejected, err: readError(err), unread: true}
	switch {
	case errors.Is(v.err, errTooLarge):
		v.reason = ReasonTooLarge
	case errors.Is(v.err, errReading):
		v.outcome, v.reason = Unavailable, ReasonReading
	case errors.Is(v.err, errEvicted):
		v.outcome, v.reason = Unavailable, ReasonEvicted
	case errors.Is(v.err, errSlow):
		v.reason = ReasonSlow
	case errors.Is(v.err, errLength):
		v.reason = ReasonLength
	default:
		v.reason, v.err = ReasonCutOff, fmt.Errorf("webhook: the connection failed before the body was complete: %w", v.err)
	}
	return v
}

// fill reads the body into buf. A read ends after the timeout, or when the body is evicted.
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
			if err == nil { // otherwise the deadline would end the request's context while the callback runs
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

// copyBody copies a body into a pipe, if nothing can end a read of it. Once the pipe is closed, the last read goes on until
// the server closes the body. It takes no more memory than this buffer.
func copyBody(in *io.PipeWriter, body io.Reader, end chan<- struct{}) {
	err := errors.New("webhook: reading the body panicked")
	defer func() {
		_ = recover() // a panic on this goroutine would end the process
		close(end)    // before the handler can see the end of the body
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

// readError maps the errors of the connection, and of an http.MaxBytesReader before the handler, to this package's errors.
func readError(err error) error {
	var outer *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case errors.As(err, &outer):
		return fmt.Errorf("%w: an http.MaxBytesReader before the handler allows %d bytes", errTooLarge, outer.Limit)
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
