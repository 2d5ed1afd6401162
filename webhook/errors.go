package webhook

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Permanent returns an error that dead-letters the delivery, because another attempt cannot succeed. The response is 200.
// Without an inbox the keys are completed, so that [Handler.Redeliver] runs the delivery only after [Delivery.Again]. With
// an inbox the keys are released, and the inbox's Retry runs the callback again. The err may be nil.
func Permanent(err error) error {
	if err == nil {
		err = errors.New("permanent failure")
	}
	return &permanentError{err}
}

// RetryAfter returns an error that asks for another attempt after d. The response is 503 with a Retry-After header. Its
// value is d rounded up to a second, at least 1 s and at most 1 h, and never past the time at which the delivery becomes
// stale. The vendor may ignore it. The run counts as an attempt. The err may be nil.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = fmt.Errorf("retry after %v", d)
	}
	return &retryError{err: err, after: d}
}

// Ignore returns an error that completes the delivery without handling it. It is not a failure: the response is 200. The
// reason is for the log.
func Ignore(reason string) error { return &ignoreError{reason} }

// IsIgnored reports whether a callback that returns err ignores its delivery, so that a [Middleware] does not count it as
// failed.
func IsIgnored(err error) bool { return err != nil && dispositionOf(err).outcome == Ignored }

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

type retryError struct {
	err   error
	after time.Duration
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

type ignoreError struct{ reason string }

func (e *ignoreError) Error() string { return "ignored: " + e.reason }

// A PanicError reports that a callback panicked or ended its goroutine.
type PanicError struct {
	Value any    // the value given to panic; nil after runtime.Goexit
	Stack []byte // the stack at the panic
}

// Error returns the value given to panic, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "webhook: the callback called runtime.Goexit"
	}
	return fmt.Sprintf("webhook: the callback panicked: %v", e.Value)
}

// caught turns a panic into a PanicError. It must be deferred directly.
func caught(err *error) {
	if value := recover(); value != nil {
		*err = &PanicError{Value: value, Stack: debug.Stack()}
	}
}

// Unwrap returns the value given to panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
