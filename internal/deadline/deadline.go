// Package deadline bounds calls into code that may hang.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errGoexit = errors.New("the call ended its goroutine")

// Call runs f with a context that ends after limit, and returns at that time also when f does not: a driver that
// ignores its context must not hold up the answer to a sender. What f does after that is lost on the caller. A panic
// in f, or runtime.Goexit, is returned as an error, because f runs on a goroutine where a panic would end the process.
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
		return fmt.Errorf("no answer within %v: %w", limit, ctx.Err())
	}
}
