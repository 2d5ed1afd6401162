package command

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes, as exitCodes documents them. Scripts depend on them, so they must not change.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitInterrupted = 130
)

const exitCodes = `Exit codes:
  0    success
  1    failure, for example a refused delivery, a missing entry or an unreadable file
  2    wrong command line
  3    no response from the service
  130  interrupted by Ctrl-C or SIGTERM`

// A coded error has an exit code.
type coded struct {
	error

	code int
}

func (c coded) Unwrap() error { return c.error }

func usage(format string, args ...any) error {
	return coded{fmt.Errorf(format, args...), exitUsage}
}

func unreachable(err error) error { return coded{err, exitUnreachable} }

// codeOf returns the exit code for an error. An error before the command began means a wrong command line.
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
