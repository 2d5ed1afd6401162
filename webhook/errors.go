package webhook

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Permanent says that trying again cannot help: the delivery is dead-lettered, and the vendor told that it has arrived.
// Without an inbox its keys are completed, so that [Handler.Redeliver] runs it only by [Delivery.Again]. With an inbox they
// are released: its Retry runs the callback again.
// A nil err stands for a failure without a text of its own.
func Permanent(err error) error {
	if err == nil {
		err = errors.New("a permanent failure")
	}
	return &permanentError{err}
}

// RetryAfter says that the delivery should come again, and not before d has passed. The sender is told d rounded up to
// a second, at least a second and at most an hour, and never past the time at which the delivery would be stale. It is
// free to come earlier. It counts as an attempt.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = fmt.Errorf("to be tried again after %v", d)
	}
	return &retryError{err: err, after: d}
}

// Ignore says that there is nothing to be done for this delivery, for the given reason, and that this is no failure.
func Ignore(reason string) error { return &ignoreError{reason} }

// An directive is an error by which a callback says what is to become of the delivery. The outermost one counts.
type directive interface {
	error
	disposition() disposition
}

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

// A PanicError is what a callback that panicked, or ended its goroutine, is reported as.
type PanicError struct {
	Value any    // what was given to panic; nil after runtime.Goexit
	Stack []byte // where
}

// Error returns the value given to panic, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "webhook: the callback called runtime.Goexit"
	}
	return fmt.Sprintf("webhook: the callback panicked: %v", e.Value)
}

// caught turns a panic into a PanicError. It is to be deferred itself.
func caught(err *error) {
	if value := recover(); value != nil {
		*err = &PanicError{Value: value, Stack: debug.Stack()}
	}
}

// Unwrap returns the value given to panic where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func (e *permanentError) disposition() disposition {
	return disposition{outcome: Dropped, reason: ReasonPermanent}
}
func (e *retryError) disposition() disposition {
	return disposition{outcome: Failed, reason: ReasonRetryAfter, after: e.after}
}
func (e *ignoreError) disposition() disposition { return disposition{outcome: Ignored} }
