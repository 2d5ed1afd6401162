// Package deadline bounds calls into code that may hang.
package deadline

import (
	"context"
	"fmt"
	"time"
)

// Call runs f with a context that ends after limit, and returns at that time also when f does not: a driver that
// ignores its context must not hold up the answer to a sender. What f does after that is lost on the caller. A panic
// in f is returned as an error, because f runs on a goroutine where a panic would end the process.
func Call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- guarded(ctx, f) }()
	select {
	case err := <-returned:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %v: %w", limit, ctx.Err())
	}
}

func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f(ctx)
}
