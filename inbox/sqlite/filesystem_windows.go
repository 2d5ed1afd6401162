package sqliteinbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// freeBytes returns the space that the disk has for this user.
func freeBytes(path string) (n int64, known bool) {
	folder, err := windows.UTF16PtrFromString(filepath.Dir(path))
	if err != nil {
		return 0, false
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(folder, &free, nil, nil)
	return int64(free), err == nil
}

// checkFileSystem returns an error for network drives; see filesystem_unix.go. It does not detect one that is mounted in
// a folder.
func checkFileSystem(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("the folder: %w", err)
	}
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil {
		return err
	}
	if windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return errNetwork("remote")
	}
	return nil
}

// checkWritable opens the file. On Windows, closing it does not drop SQLite's locks.
func checkWritable(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the path is the caller's
	if err != nil {
		return err
	}
	return file.Close()
}

// volatileFileSystem recognizes a RAM disk.
func volatileFileSystem(dir string) string {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err == nil && windows.GetDriveType(root) == windows.DRIVE_RAMDISK {
		return "a RAM disk"
	}
	return ""
}

// isMountPoint returns false, because Windows mounts only folders.
func isMountPoint(string) bool { return false }
