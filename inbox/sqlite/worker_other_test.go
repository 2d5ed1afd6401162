//go:build !unix

package sqliteinbox_test

import "errors"

// receive is the receiver of the crash tests, which kill it with Unix signals.
func receive() error { return errors.ErrUnsupported }

func poisonWorker() error { return errors.ErrUnsupported }
