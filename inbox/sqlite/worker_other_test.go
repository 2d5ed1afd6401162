//go:build !unix

package sqlite_test

import "errors"

// receive is the receiver of the crash tests, which end it with signals of Unix.
func receive() error { return errors.ErrUnsupported }

func doom() error { return errors.ErrUnsupported }
