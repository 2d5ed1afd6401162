package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	maxCaptured = 32 << 20  // how large a body may be that the tool takes
	maxFile     = 256 << 20 // and a file with such a body in it, escaped
	maxSecret   = 64 << 10
)

// read reads a file, or standard input if it is "-", until ctx ends: a pipe, or somebody at a terminal, may never come to an
// end. What is longer than limit is an error, and not read on.
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
	defer f.Close() //nolint:errcheck // what has been read has been read
	return readUpTo(f, path, limit)
}

func readUpTo(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, fmt.Errorf("%s: is larger than %d bytes", name, limit)
	}
	return text, err
}
