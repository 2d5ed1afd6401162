package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	maxCaptured = 32 << 20  // bytes of headers or of a body
	maxFile     = 256 << 20 // bytes of a capture, whose body is escaped
	maxSecret   = 64 << 10
)

// read reads a file, or standard input if path is "-". It stops when ctx ends, because a pipe or a terminal may never end. A
// file of more than limit bytes is an error.
func (a *app) read(ctx context.Context, path string, limit int64) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		if path == "-" {
			text, err := readUpTo(a.In, "standard input", limit)
			done <- result{text, err}
			return
		}
		text, err := readFile(path, limit)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, errors.New("interrupted")
	}
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return readUpTo(f, path, limit)
}

func readUpTo(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return text, err
}
