package command

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes. They are part of what the tool promises: scripts branch on them.
const (
	exitOK          = 0   // it did what was asked
	exitFailed      = 1   // it was not to be done: a delivery was refused, an entry is not there, a file cannot be read
	exitUsage       = 2   // the command line is wrong
	exitUnreachable = 3   // the service did not answer
	exitInterrupted = 130 // Ctrl-C, or SIGTERM, in the middle
)

const exitCodes = `Exit codes:
  0    it did what was asked
  1    it could not be done: a delivery was refused, an entry is not there, a file cannot be read
  2    the command line is wrong
  3    the service did not answer
  130  interrupted by Ctrl-C or SIGTERM in the middle`

// A coded error knows its exit code.
type coded struct {
	error

	code int
}

func (c coded) Unwrap() error { return c.error }

func usage(format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), exitUsage}
}

func unreachable(err error) error { return coded{err, exitUnreachable} }

// codeOf returns the exit code for an error. What went wrong before a command began is the command line's.
func codeOf(ctx context.Context, err error, began bool) int {
	var c coded
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &c):
		return c.code
	case !began:
		return exitUsage
	default:
		return exitFailed
	}
}
