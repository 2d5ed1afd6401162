// Package deadline bounds calls into code that may hang.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errGoexit = errors.New("the call ended its goroutine")

// Call runs f with a context that ends after limit. It returns after limit even if f does not return, because a driver that
// ignores its context must not delay the response to a sender. The caller does not see a later result of f.
//
// If f panics or calls runtime.Goexit, Call returns an error. f runs on another goroutine, where a panic would crash the
// process.
func Call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	returned := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
			returned <- err
		}()
		err = f(ctx)
	}()
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no result within %v: %w", limit, ctx.Err())
	}
}
