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
	"sync/atomic"
	"time"
)

var (
	errTooLarge = errors.New("webhook: the body is too large")
	errSlow     = errors.New("webhook: the body did not arrive within Options.BodyTimeout or http.Server.ReadTimeout, or before the answer was due")
	errLength   = errors.New("webhook: the body is not as long as it was declared")
	errNoByte   = fmt.Errorf("%w: not one byte of it arrived", errLength)
)

// Bodies are read into pooled buffers; most are forged or duplicate and leave nothing behind.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer struct{ b []byte }

const (
	firstRead = 2 << 10   // read into at first, when the length is not known
	maxTrust  = 64 << 10  // of a declared length, allocated before it has arrived
	maxPooled = 256 << 10 // kept for the next body
)

func (b *buffer) free() {
	if cap(b.b) <= maxPooled {
		buffers.Put(b)
	}
}

// read reads all of body, and no more than one byte over limit.
func (b *buffer) read(body io.Reader, declared, limit int64) error {
	if size := min(max(declared, 0)+1, maxTrust); int64(cap(b.b)) < size {
		b.b = make([]byte, 0, max(size, firstRead))
	}
	b.b = b.b[:0]
	for {
		if len(b.b) == cap(b.b) {
			b.b = append(b.b, 0)[:len(b.b)]
		}
		n, err := body.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case int64(len(b.b)) > limit:
			return fmt.Errorf("%w: more than Options.MaxBody (%d bytes) arrived", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			switch {
			case declared <= 0 || int64(len(b.b)) == declared:
				return nil
			case len(b.b) == 0:
				return errNoByte
			default:
				return errLength
			}
		case err != nil:
			return err
		}
	}
}

// readBody reads the body under a limit of size and time. The buffer is the caller's to free; it is nil after an error.
func (r *Request) readBody(limit int64, timeout time.Duration) (*buffer, error) {
	buf := buffers.Get().(*buffer)
	if r.Body == nil {
		buf.b = buf.b[:0]
		return buf, nil
	}
	var err error
	if inMemory(r.Body) {
		err = buf.read(r.Body, r.ContentLength, limit)
	} else if r.setReadDeadline(time.Now().Add(timeout)) {
		err = buf.read(r.Body, r.ContentLength, limit)
		if err == nil {
			// A deadline left standing would end the request's context while the callback runs.
			r.setReadDeadline(time.Time{})
		}
	} else {
		return r.readAside(buf, limit, timeout)
	}
	if err != nil {
		buf.free()
		return nil, readError(err)
	}
	return buf, nil
}

// readAside reads a body whose reads nothing can end. After the timeout the last read goes on until the server closes
// the body, into a buffer that is not used again.
func (r *Request) readAside(buf *buffer, limit int64, timeout time.Duration) (*buffer, error) {
	done := make(chan error, 1)
	body := &abandonable{Reader: r.Body}
	go func() {
		err := errors.New("webhook: reading the body panicked")
		defer func() {
			_ = recover() // on this goroutine it would end the process
			done <- err
		}()
		err = buf.read(body, r.ContentLength, limit)
	}()
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil {
			buf.free()
			return nil, readError(err)
		}
		return buf, nil
	case <-late.C:
		body.abandoned.Store(true)
		return nil, errSlow
	}
}

// An abandonable reader can be told that nobody wants more of it.
type abandonable struct {
	io.Reader
	abandoned atomic.Bool
}

func (a *abandonable) Read(p []byte) (int, error) {
	if a.abandoned.Load() {
		return 0, errSlow
	}
	return a.Reader.Read(p)
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
