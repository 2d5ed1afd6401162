//go:build linux || darwin || freebsd

package sqlite

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// freeBytes returns how much room the file system has for programs that are not root's.
func freeBytes(path string) (n int64, known bool) {
	var s unix.Statfs_t
	if err := statfs(path, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:unconvert // the types differ between systems
}

// statfs is replaced by tests.
var statfs = unix.Statfs

// checkFileSystem refuses the file systems on which several machines share a file: SQLite's write-ahead log needs memory
// that all processes share, and locks that hold.
func checkFileSystem(dir string) error {
	var s unix.Statfs_t
	if err := statfs(dir, &s); err != nil {
		return fmt.Errorf("the folder: %w", err)
	}
	if name := networkFileSystem(&s); name != "" {
		return errNetwork(name)
	}
	return nil
}

// checkWritable asks without opening the file.
func checkWritable(path string) error {
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() {
		return &os.PathError{Op: "open", Path: path, Err: unix.EISDIR}
	}
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}
