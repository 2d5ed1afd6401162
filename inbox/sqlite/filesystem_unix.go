//go:build linux || darwin || freebsd

package sqliteinbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// freeBytes returns the space that the file system has for users other than root.
func freeBytes(path string) (n int64, known bool) {
	var s unix.Statfs_t
	if err := statfs(path, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:unconvert // the types differ between systems
}

// Tests replace statfs.
var statfs = unix.Statfs

// checkFileSystem returns an error for network file systems. SQLite's write-ahead log needs memory that all processes
// share, and reliable locks.
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

// checkWritable returns an error if the file is not writable. It does not open the file.
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
